"""Step of this room: register the winner of a training run."""

from __future__ import annotations

import fcntl
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.quantiles import residual_quantiles
from smartgrid.automl.report import write_report
from smartgrid.errors import NothingToDo
from smartgrid.lake.files import write_bytes
from smartgrid.registry.errors import RunIncomplete
from smartgrid.registry.illustrations import illustrate
from smartgrid.registry.links import links
from smartgrid.registry.mlflow_registry import Registration, log_only, log_report, register_winner
from smartgrid.registry.run_folder import RunFolder
from smartgrid.savedmodel import ExportReport, export
from smartgrid.savedmodel.assets import fingerprint
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import TrainingRun

EXPORT_FILE = "export.json"


def register(run_id: str, refused_too: bool = False) -> dict[str, Any]:
    """Export the winner of a run, log the run to MLflow and register a version. Repeating it changes nothing.

    A run whose winner did not pass the gate is logged as well, with its verdict, and registers nothing. With
    `refused_too` its winner becomes a version to look at: without the alias `challenger`, and no promotion takes it.

    Raises:
        NothingToDo: the winner did not pass the gate.
        RunIncomplete: an earlier step has not run.
        NotExportable, ExportParityError: the winner cannot be served exactly.
        TrackingServerUnavailable: MLflow was away for minutes.
    """
    settings = get_settings()
    run = RunFolder(run_id)
    leaderboard = run.leaderboard
    # One at a time: two would each find no version and make one.
    with (run.path / ".register.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        snapshot = run.snapshot
        test_rows = snapshot.frame(snapshot.backtest_start)
        illustrate(run, test_rows)
        write_report(run_id)
        if not leaderboard["gate_passed"] and not refused_too:
            mlflow_run_id = log_only(run)
            _remember(run, Registration(mlflow_run_id, None))
            raise NothingToDo(f"run {run_id} did not pass the gate: {leaderboard.get('verdict', '')}")
        report = _exported(run, leaderboard["winner"], test_rows.X)
        registration = register_winner(run, report)
        _remember(run, registration)
        log_report(registration, write_report(run_id, links(registration, report)))
    return {
        "run_id": run_id,
        "model_name": settings.model_name,
        "mlflow_run_id": registration.mlflow_run_id,
        "mlflow_version": registration.mlflow_version,
        "saved_model": report.directory,
        "saved_model_sha256": report.sha256,
        "max_relative_difference": report.max_relative_difference,
        "size_bytes": report.size_bytes,
    }


def _remember(run: RunFolder, registration: Registration) -> None:
    with session() as open_session:
        row = open_session.get(TrainingRun, run.run_id)
        if row is None:
            raise RunIncomplete(run.run_id, "row in the table training_runs", run.path)
        row.mlflow_run_id, row.mlflow_version = registration.mlflow_run_id, registration.mlflow_version


def _exported(run: RunFolder, winner: str, check_X: npt.NDArray[np.float64] | None = None) -> ExportReport:
    """The export of the winner; an earlier one is used again if its files are still the same."""
    record = run.path / EXPORT_FILE
    if record.is_file() and (run.saved_model / "saved_model.pb").is_file():
        report = ExportReport(**json.loads(record.read_text(encoding="utf-8")))
        if fingerprint(run.saved_model) == report.sha256:
            return report
    report = export(
        run.model(winner),
        run.saved_model,
        run.held_out_rows() if check_X is None else check_X,
        residual_quantiles=residual_quantiles(run.run_id),
    )
    write_bytes(str(record), json.dumps(report.as_json()).encode())
    return report
