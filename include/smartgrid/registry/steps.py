"""Step of this room: register the winner of a training run."""

from __future__ import annotations

import fcntl
import json
from typing import Any

from smartgrid.errors import NothingToDo
from smartgrid.lake.files import write_bytes
from smartgrid.registry.errors import RunIncomplete
from smartgrid.registry.mlflow_registry import register_winner
from smartgrid.registry.run_folder import RunFolder
from smartgrid.savedmodel import ExportReport, export
from smartgrid.savedmodel.assets import fingerprint
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import TrainingRun

EXPORT_FILE = "export.json"


def register(run_id: str) -> dict[str, Any]:
    """Export the winner of a run, log the run to MLflow and register a version. Repeating it changes nothing.

    Raises:
        NothingToDo: the winner did not pass the gate.
        RunIncomplete: an earlier step has not run.
        NotExportable, ExportParityError: the winner cannot be served exactly.
        TrackingServerUnavailable: MLflow was away for minutes.
    """
    settings = get_settings()
    run = RunFolder(run_id)
    leaderboard = run.leaderboard
    if not leaderboard["gate_passed"]:
        raise NothingToDo(f"run {run_id} did not pass the gate: {leaderboard.get('verdict', '')}")
    # One at a time: two would each find no version and make one.
    with (run.path / ".register.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        report = _exported(run, leaderboard["winner"])
        registration = register_winner(run, report)
        with session() as open_session:
            row = open_session.get(TrainingRun, run_id)
            if row is None:
                raise RunIncomplete(run_id, "row in the table training_runs", run.path)
            row.mlflow_run_id, row.mlflow_version = registration.mlflow_run_id, registration.mlflow_version
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


def _exported(run: RunFolder, winner: str) -> ExportReport:
    """The export of the winner; an earlier one is used again if its files are still the same."""
    record = run.path / EXPORT_FILE
    if record.is_file() and (run.saved_model / "saved_model.pb").is_file():
        report = ExportReport(**json.loads(record.read_text(encoding="utf-8")))
        if fingerprint(run.saved_model) == report.sha256:
            return report
    report = export(run.model(winner), run.saved_model, run.held_out_rows())
    write_bytes(str(record), json.dumps(report.as_json()).encode())
    return report
