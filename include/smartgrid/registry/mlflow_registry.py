"""Registers the winner of a training run in MLflow, exactly once.

The MLflow run is found again by a tag with our run id, and so is the version: whatever a retry finds done is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartgrid.registry import mlflow_run as runs
from smartgrid.registry import versions as registered
from smartgrid.registry.run_folder import RunFolder
from smartgrid.registry.tracking import client, patiently
from smartgrid.savedmodel import ExportReport
from smartgrid.savedmodel.assets import KnownAnswers
from smartgrid.settings import get_settings

MODEL_URI_TAG = "smartgrid.model_uri"
EXAMPLE_ROWS = 3
# What the code inside the model imports; asking MLflow to find out would import the model in a fresh process.
REQUIREMENTS = ["mlflow", "numpy", "tensorflow-cpu"]


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a training run is found in MLflow; no version where its winner did not pass the gate."""

    mlflow_run_id: str
    mlflow_version: int | None


def register_winner(run: RunFolder, report: ExportReport, *, patience_s: float | None = None) -> Registration:
    """Log `run` and register its exported winner, as challenger if it passed the gate; repeat it as often as you like.

    Raises:
        TrackingServerUnavailable: MLflow was away for minutes.
    """
    kwargs = {} if patience_s is None else {"patience_s": patience_s}
    return patiently(lambda: _register(run, report), **kwargs)


def log_only(run: RunFolder, *, patience_s: float | None = None) -> str:
    """Log `run` without registering anything: its winner did not pass the gate. Returns the MLflow run id.

    Raises:
        TrackingServerUnavailable
    """
    kwargs = {} if patience_s is None else {"patience_s": patience_s}
    return patiently(lambda: _log_only(run), **kwargs)


def log_report(registration: Registration, report: Path) -> None:
    """Log the report once more when it can name the version.

    Raises:
        TrackingServerUnavailable
    """
    patiently(lambda: client().log_artifact(registration.mlflow_run_id, str(report)))


def log_failed(run: RunFolder) -> str:
    """Log a tournament that has no candidate at all. Returns the MLflow run id.

    Raises:
        TrackingServerUnavailable
    """
    return patiently(lambda: runs.log_failed_tournament(client(), run))


def _register(run: RunFolder, report: ExportReport) -> Registration:
    mlflow_client = client()
    mlflow_run = runs.find_or_create_run(mlflow_client, run)
    run_id = mlflow_run.info.run_id
    version = _version_of(mlflow_client, run_id)
    if version is None:
        runs.log_tournament(mlflow_client, mlflow_run, run, report)
        version = _create_version(mlflow_client, run_id, run, report)
    mlflow_client.set_terminated(run_id, "FINISHED")
    if run.leaderboard["gate_passed"]:
        registered.set_challenger(version)
    return Registration(run_id, version)


def _log_only(run: RunFolder) -> str:
    mlflow_client = client()
    mlflow_run = runs.find_or_create_run(mlflow_client, run)
    if mlflow_run.info.status != "FINISHED":
        runs.log_tournament(mlflow_client, mlflow_run, run, None)
        mlflow_client.set_terminated(mlflow_run.info.run_id, "FINISHED")
    run_id: str = mlflow_run.info.run_id
    return run_id


def _version_of(mlflow_client: Any, mlflow_run_id: str) -> int | None:
    name = get_settings().model_name
    found = mlflow_client.search_model_versions(f"name='{name}' and run_id='{mlflow_run_id}'")
    return min((int(version.version) for version in found), default=None)


def _create_version(mlflow_client: Any, mlflow_run_id: str, run: RunFolder, report: ExportReport) -> int:
    import mlflow

    name, leaderboard = get_settings().model_name, run.leaderboard
    model_uri = mlflow_client.get_run(mlflow_run_id).data.tags.get(MODEL_URI_TAG)
    if model_uri is None:
        model_uri = _log_model(mlflow_run_id, report)
        mlflow_client.set_tag(mlflow_run_id, MODEL_URI_TAG, model_uri)
    version = mlflow.register_model(
        model_uri, name, await_registration_for=60, tags=runs.tags(run, leaderboard, report)
    )
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
            input_example=KnownAnswers.read(Path(report.directory)).X[:EXAMPLE_ROWS],
            pip_requirements=REQUIREMENTS,
        )
    model_uri: str = logged.model_uri
    return model_uri
