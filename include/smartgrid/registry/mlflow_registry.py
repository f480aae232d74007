"""Writes one training run to MLflow and registers its winner, each exactly once.

The MLflow run is found again by a tag with our run id, and so is the version: whatever a retry finds done is kept.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from smartgrid.registry import versions as registered
from smartgrid.registry.plots import SYSTEM, write_plots
from smartgrid.registry.run_folder import RunFolder
from smartgrid.registry.tracking import client, patiently
from smartgrid.savedmodel import ExportReport
from smartgrid.savedmodel.assets import SCHEMA_FILE
from smartgrid.settings import get_settings

MODEL_URI_TAG = "smartgrid.model_uri"
METRICS = ("mape_percent", "mase", "rmse_kw", "bias_kw")
DURATIONS = ("search_s", "wall_s", "cpu_s")
# What the code inside the model imports; asking MLflow to find out would import the model in a fresh process.
REQUIREMENTS = ["mlflow", "numpy", "tensorflow-cpu"]


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a training run is found in MLflow."""

    mlflow_run_id: str
    mlflow_version: int


def register_winner(run: RunFolder, report: ExportReport, *, patience_s: float | None = None) -> Registration:
    """Log `run` and register its exported winner; repeat it as often as you like.

    Raises:
        TrackingServerUnavailable: MLflow was away for minutes.
    """
    kwargs = {} if patience_s is None else {"patience_s": patience_s}
    return patiently(lambda: _register(run, report), **kwargs)


def _register(run: RunFolder, report: ExportReport) -> Registration:
    mlflow_client = client()
    mlflow_run = _find_or_create_run(mlflow_client, run)
    run_id = mlflow_run.info.run_id
    version = _version_of(mlflow_client, run_id)
    if version is None:
        _log(mlflow_client, run_id, run, report)
        version = _create_version(mlflow_client, run_id, run, report)
    mlflow_client.set_terminated(run_id, "FINISHED")
    return Registration(run_id, version)


def _find_or_create_run(mlflow_client: Any, run: RunFolder) -> Any:
    # An experiment a model: platforms that share a server may have runs of the same id, made from the same data.
    name = get_settings().model_name
    experiment = mlflow_client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment else mlflow_client.create_experiment(name)
    found = mlflow_client.search_runs(
        [experiment_id], f"tags.`{registered.RUN_ID_TAG}` = '{run.run_id}'", max_results=1
    )
    if found:
        return found[0]
    return mlflow_client.create_run(experiment_id, tags={registered.RUN_ID_TAG: run.run_id}, run_name=run.run_id)


def _version_of(mlflow_client: Any, mlflow_run_id: str) -> int | None:
    name = get_settings().model_name
    found = mlflow_client.search_model_versions(f"name='{name}' and run_id='{mlflow_run_id}'")
    return min((int(version.version) for version in found), default=None)


def _log(mlflow_client: Any, mlflow_run_id: str, run: RunFolder, report: ExportReport) -> None:
    """Values and files. Logging the same again changes nothing that a reader sees."""
    leaderboard = run.leaderboard
    _log_values(mlflow_client, mlflow_run_id, run, report)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, content in (("leaderboard", leaderboard), ("export", report.as_json())):
            (folder / f"{name}.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
        (folder / "data_reference.json").write_text(run.snapshot.model_dump_json(indent=2), encoding="utf-8")
        scores = [
            {name: row.get(name) for name in ("candidate", "zone", *METRICS, "rows")}
            for row in [*leaderboard["rows"], *leaderboard.get("zones", [])]
        ]
        pl.DataFrame(scores, infer_schema_length=None).write_csv(folder / "scores_by_zone.csv")
        shutil.copy(Path(report.directory) / SCHEMA_FILE, folder / "feature_schema.json")
        winner = leaderboard["winner"]
        write_plots(folder / "plots", leaderboard["rows"], run.backtest(winner), winner)
        mlflow_client.log_artifacts(mlflow_run_id, str(folder))
    # Also under the run itself, where people look for it; the registered model is a logged model beside the run.
    mlflow_client.log_artifacts(mlflow_run_id, report.directory, "saved_model")


def _log_values(mlflow_client: Any, mlflow_run_id: str, run: RunFolder, report: ExportReport) -> None:
    """Parameters, metrics and tags in one request (a hundred parameters is the most that one takes)."""
    from mlflow.entities import Metric, Param, RunTag

    leaderboard = run.leaderboard
    snapshot = run.snapshot.model_dump(mode="json")
    parameters = list(_parameters(snapshot, leaderboard["winner"], report).items())[:100]
    # The time of the run, not of this attempt: a retry then logs the same point and not another one.
    moment = mlflow_client.get_run(mlflow_run_id).info.start_time
    mlflow_client.log_batch(
        mlflow_run_id,
        params=[Param(name, text) for name, text in parameters],
        metrics=[
            Metric(name, value, moment, 0)
            for name, value in _metrics(leaderboard["rows"], leaderboard["winner"], report).items()
        ],
        tags=[RunTag(name, text) for name, text in _tags(run, leaderboard, report).items()],
    )


def _parameters(snapshot: dict[str, Any], winner: str, report: ExportReport) -> dict[str, str]:
    """Every scalar of the snapshot, nested names joined by dots, and what the winner is.

    Addresses are left to data_reference.json: a parameter can never change, a folder can move.
    """
    found: dict[str, str] = {"trainer": winner, "features": str(report.features)}

    def collect(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                collect(f"{prefix}.{name}" if prefix else name, inner)
        elif isinstance(value, str | int | float | bool) and not prefix.endswith("uri") and len(str(value)) <= 500:
            found.setdefault(prefix, str(value))

    collect("", snapshot)
    return found


def _metrics(rows: list[dict[str, Any]], winner: str, report: ExportReport) -> dict[str, float]:
    """Scores of the system total: `<candidate>/<metric>` for all, plain `<metric>` for the winner."""
    found: dict[str, float] = {
        "export/max_relative_difference": report.max_relative_difference,
        "export/size_bytes": float(report.size_bytes),
        "export/ms_per_row": report.ms_per_row,
    }
    for row in rows:
        if row["zone"] != SYSTEM:
            continue
        for metric in (*METRICS, *DURATIONS):
            value = row.get(metric)
            if value is None or not math.isfinite(value):
                continue
            found[f"{row['candidate']}/{metric}"] = float(value)
            if row["candidate"] == winner:
                found[metric] = float(value)
    return found


def _tags(run: RunFolder, leaderboard: dict[str, Any], report: ExportReport) -> dict[str, str]:
    return {
        registered.RUN_ID_TAG: run.run_id,
        registered.WINNER_TAG: str(leaderboard["winner"]),
        registered.GATE_TAG: str(bool(leaderboard["gate_passed"])).lower(),
        registered.DATA_TAG: run.snapshot.measurements.sha256,
        registered.FINGERPRINT_TAG: report.sha256,
    }


def _create_version(mlflow_client: Any, mlflow_run_id: str, run: RunFolder, report: ExportReport) -> int:
    import mlflow

    name, leaderboard = get_settings().model_name, run.leaderboard
    model_uri = mlflow_client.get_run(mlflow_run_id).data.tags.get(MODEL_URI_TAG)
    if model_uri is None:
        model_uri = _log_model(mlflow_run_id, report)
        mlflow_client.set_tag(mlflow_run_id, MODEL_URI_TAG, model_uri)
    version = mlflow.register_model(model_uri, name, await_registration_for=60, tags=_tags(run, leaderboard, report))
    mlflow_client.update_model_version(name, version.version, description=str(leaderboard.get("verdict", "")))
    return int(version.version)


def _log_model(mlflow_run_id: str, report: ExportReport) -> str:
    """Store the SavedModel with the code that runs it, so that `mlflow.pyfunc.load_model` needs nothing of ours."""
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float64"), (-1, report.features))]),
        outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))]),
    )
    with mlflow.start_run(run_id=mlflow_run_id):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"saved_model": report.directory},
            signature=signature,
            pip_requirements=REQUIREMENTS,
        )
    model_uri: str = logged.model_uri
    return model_uri
