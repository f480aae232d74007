"""What can go wrong between a finished training run and a registered version."""

from __future__ import annotations

from pathlib import Path

from smartgrid.errors import SmartGridError


class RunIncomplete(SmartGridError):
    """A training run lacks something that an earlier step writes."""

    def __init__(self, run_id: str, missing: str, folder: Path) -> None:
        self.run_id, self.missing, self.folder = run_id, missing, folder
        super().__init__(
            f"Training run {run_id} has no {missing} in {folder}. Run the steps automl.snapshot, automl.train and "
            "automl.judge first; each is safe to repeat."
        )


class TrackingServerUnavailable(SmartGridError):
    """MLflow did not answer, or failed, for as long as we were ready to wait."""

    def __init__(self, tracking_uri: str, waited_s: float, reason: str) -> None:
        self.tracking_uri, self.waited_s, self.reason = tracking_uri, waited_s, reason
        super().__init__(
            f"MLflow at {tracking_uri} was not usable for {waited_s:.0f} s ({reason}). Start it, or set "
            "MLFLOW_TRACKING_URI; then repeat the step, nothing is registered twice."
        )


class NothingRegistered(SmartGridError):
    """The registry has no version of the model, or not this one."""

    exit_code = 2

    def __init__(self, model_name: str, version: int | None) -> None:
        self.model_name, self.version = model_name, version
        what = f"no version {version} of {model_name}" if version is not None else f"no version of {model_name}"
        super().__init__(
            f"The registry has {what}. `smartgrid registry list` shows what there is; the DAG retrain_load_forecast "
            "registers a version when its winner passes the gate."
        )
