"""A training run in MLflow: one run for the tournament, and below it one for each trainer.

Runs are found again by tags with our run id: whatever a retry finds done is kept, and logging the same again changes
nothing that a reader sees.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from smartgrid.automl.run_folder import UnknownRun, folder
from smartgrid.registry import versions as registered
from smartgrid.registry.errors import TrackingServerUnavailable
from smartgrid.registry.mlflow_trainer_run import PARENT_TAG, log_trainer
from smartgrid.registry.mlflow_values import (
    DURATIONS,
    METRICS,
    environment_parameters,
    log_batch,
    scalars,
    scores_of,
)
from smartgrid.registry.plots import SYSTEM
from smartgrid.registry.run_folder import RunFolder
from smartgrid.registry.tracking import artifact_location, patiently
from smartgrid.registry.tracking import client as client_of
from smartgrid.savedmodel import ExportReport
from smartgrid.savedmodel.assets import SCHEMA_FILE
from smartgrid.settings import get_settings

MLFLOW_RUN_ID = re.compile(r"[0-9a-f]{32}")


def find_or_create_run(client: Any, run: RunFolder) -> Any:
    """The MLflow run of this tournament."""
    # An experiment a model: platforms that share a server may have runs of the same id, made from the same data.
    settings = get_settings()
    name = settings.model_name
    experiment = client.get_experiment_by_name(name)
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(name, artifact_location=artifact_location(settings, name))
    )
    if experiment and experiment.artifact_location.startswith("mlflow-artifacts:") and not _is_server(client):
        reason = "it keeps the files of this experiment itself"
        raise TrackingServerUnavailable(settings.tracking_uri, 0.0, reason)
    found = client.search_runs([experiment_id], f"tags.`{registered.RUN_ID_TAG}` = '{run.run_id}'", max_results=1)
    if found:
        return found[0]
    return client.create_run(experiment_id, tags={registered.RUN_ID_TAG: run.run_id}, run_name=run.run_id)


def _is_server(client: Any) -> bool:
    return str(client.tracking_uri).startswith("http")


def our_run_id(run_id: str) -> str:
    """The training run behind `run_id`, which is its id, or the id of its MLflow run or of one below that.

    Raises:
        UnknownRun, TrackingServerUnavailable
    """
    from mlflow.exceptions import MlflowException

    if (folder(run_id) / "snapshot.json").is_file() or not MLFLOW_RUN_ID.fullmatch(run_id):
        return run_id
    try:
        found = patiently(lambda: client_of().get_run(run_id)).data.tags
        if PARENT_TAG in found:
            found = patiently(lambda: client_of().get_run(found[PARENT_TAG])).data.tags
    except MlflowException:
        raise UnknownRun(run_id) from None
    return str(found.get(registered.RUN_ID_TAG, run_id))


def log_tournament(client: Any, mlflow_run: Any, run: RunFolder, report: ExportReport | None) -> None:
    """Parameters, environment, data reference, scores, files and plots of the tournament, and a run a trainer."""
    run_id = mlflow_run.info.run_id
    _log_values(client, mlflow_run, run, report)
    with tempfile.TemporaryDirectory() as temporary:
        _collect_files(Path(temporary), run, report)
        client.log_artifacts(run_id, temporary)
    if report is not None:
        # Also under the run itself, where people look for it; the registered model is a logged model beside the run.
        client.log_artifacts(run_id, report.directory, "saved_model")
    for trainer, outcome in run.candidates.items():
        log_trainer(client, mlflow_run, run, trainer, outcome)


def log_failed_tournament(client: Any, run: RunFolder) -> str:
    """A tournament that ended without any candidate: the reasons of every trainer. Returns the MLflow run id."""
    mlflow_run = find_or_create_run(client, run)
    snapshot = run.snapshot.model_dump(mode="json")
    log_batch(client, mlflow_run, scalars(snapshot) | environment_parameters(run), {}, {})
    client.log_dict(mlflow_run.info.run_id, snapshot, "data_reference.json")
    client.log_dict(mlflow_run.info.run_id, run.environment, "environment.json")
    for trainer, outcome in run.candidates.items():
        log_trainer(client, mlflow_run, run, trainer, outcome)
    client.set_terminated(mlflow_run.info.run_id, "FAILED")
    run_id: str = mlflow_run.info.run_id
    return run_id


def tags(run: RunFolder, leaderboard: dict[str, Any], report: ExportReport | None) -> dict[str, str]:
    """Tags of the run and of the version that it makes."""
    found = {
        registered.RUN_ID_TAG: run.run_id,
        registered.WINNER_TAG: str(leaderboard["winner"]),
        registered.GATE_TAG: str(bool(leaderboard["gate_passed"])).lower(),
        registered.DATA_TAG: run.snapshot.measurements.sha256,
    }
    if report is not None:
        found[registered.FINGERPRINT_TAG] = report.sha256
    return found


def _log_values(client: Any, mlflow_run: Any, run: RunFolder, report: ExportReport | None) -> None:
    leaderboard = run.leaderboard
    winner = str(leaderboard["winner"])
    parameters = {"trainer": winner} | environment_parameters(run)
    if report is not None:
        parameters["features"] = str(report.features)
    parameters |= scalars(run.snapshot.model_dump(mode="json"))
    source = {"mlflow.source.name": "smartgrid tournament", "mlflow.source.type": "JOB"}
    if revision := run.environment.get("git_revision"):
        source["mlflow.source.git.commit"] = str(revision)
    note = {"mlflow.note.content": str(leaderboard.get("verdict", ""))[:5000]}
    log_batch(
        client,
        mlflow_run,
        parameters,
        _metrics(leaderboard["rows"], winner, report),
        tags(run, leaderboard, report) | source | note,
    )
    _log_dataset(client, mlflow_run.info.run_id, run)


def _log_dataset(client: Any, mlflow_run_id: str, run: RunFolder) -> None:
    """The data as MLflow's own page shows them: digest, source, rows and window."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    reference = run.snapshot.measurements
    dataset = Dataset(
        name="measurements",
        digest=reference.sha256[:36],
        source_type="local",
        source=json.dumps({"uri": reference.uri}),
        profile=json.dumps({"rows": reference.rows, "window": str(reference.window), "sha256": reference.sha256}),
    )
    client.log_inputs(mlflow_run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _metrics(rows: list[dict[str, Any]], winner: str, report: ExportReport | None) -> dict[str, float]:
    """Scores of the system total: `<candidate>/<metric>` for all, plain `<metric>` for the winner."""
    found: dict[str, float] = {}
    if report is not None:
        found = {
            "export/max_relative_difference": report.max_relative_difference,
            "export/size_bytes": float(report.size_bytes),
            "export/ms_per_row": report.ms_per_row,
        }
    for row in rows:
        if row.get("zone", SYSTEM) != SYSTEM:
            continue
        for metric, value in scores_of(row).items():
            found[f"{row['candidate']}/{metric}"] = value
            if row["candidate"] == winner:
                found[metric] = value
    return found


def _collect_files(target: Path, run: RunFolder, report: ExportReport | None) -> None:
    """What is logged as files: JSON, tables, the report and the plots that the run's folder has."""
    leaderboard = run.leaderboard
    contents = {"leaderboard": leaderboard, "environment": run.environment, "candidates": run.candidates}
    if report is not None:
        contents["export"] = report.as_json()
        shutil.copy(Path(report.directory) / SCHEMA_FILE, target / "feature_schema.json")
    for name, content in contents.items():
        (target / f"{name}.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    (target / "data_reference.json").write_text(run.snapshot.model_dump_json(indent=2), encoding="utf-8")
    scores = [
        {name: row.get(name) for name in ("candidate", "zone", *METRICS, "rows")}
        for row in [*leaderboard["rows"], *leaderboard.get("zones", [])]
    ]
    pl.DataFrame(scores, infer_schema_length=None).write_csv(target / "scores_by_zone.csv")
    (target / "leaderboard_table.json").write_text(json.dumps(_table(leaderboard["rows"])), encoding="utf-8")
    for name in ("report.md", "plots"):
        found = run.path / name
        if found.is_dir():
            shutil.copytree(found, target / name)
        elif found.is_file():
            shutil.copy(found, target / name)


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The leaderboard in the format that MLflow's page shows as a table."""
    columns = ["candidate", *METRICS, *DURATIONS, "failed"]
    return {"columns": columns, "data": [[row.get(column) for column in columns] for row in rows]}
