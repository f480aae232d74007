"""Values of a run in the shape that MLflow takes."""

from __future__ import annotations

import math
from typing import Any

from smartgrid.registry.run_folder import RunFolder

METRICS = ("mape_percent", "mase", "rmse_kw", "bias_kw")
DURATIONS = ("search_s", "wall_s", "cpu_s")
# Their versions decide what a training run gives; environment.json has all.
PACKAGES = ("scikit-learn", "tpot", "h2o", "autokeras", "keras", "tensorflow-cpu", "numpy", "polars", "mlflow")
MAX_PARAMETERS = 100  # the most that one request takes


def log_batch(
    client: Any, mlflow_run: Any, parameters: dict[str, str], metrics: dict[str, float], run_tags: dict[str, str]
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    # The time of the run, not of this attempt: a retry then logs the same point and not another one.
    moment = mlflow_run.info.start_time
    client.log_batch(
        mlflow_run.info.run_id,
        params=[Param(name, text) for name, text in list(parameters.items())[:MAX_PARAMETERS]],
        metrics=[Metric(name, value, moment, 0) for name, value in metrics.items()],
        tags=[RunTag(name, text) for name, text in run_tags.items()],
    )


def scalars(snapshot: dict[str, Any]) -> dict[str, str]:
    """Every scalar of the snapshot, nested names joined by dots.

    Addresses are left to data_reference.json: a parameter can never change, a folder can move.
    """
    found: dict[str, str] = {}

    def collect(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                collect(f"{prefix}.{name}" if prefix else name, inner)
        elif isinstance(value, str | int | float | bool) and not prefix.endswith("uri") and len(str(value)) <= 500:
            found.setdefault(prefix, str(value))

    collect("", snapshot)
    return found


def environment_parameters(run: RunFolder) -> dict[str, str]:
    recorded = run.environment
    found = {name: str(recorded[name]) for name in ("python", "platform", "git_revision") if recorded.get(name)}
    packages = recorded.get("packages", {})
    return found | {f"package.{name}": str(packages[name]) for name in PACKAGES if name in packages}


def scores_of(row: dict[str, Any]) -> dict[str, float]:
    values = {metric: row.get(metric) for metric in (*METRICS, *DURATIONS)}
    return {
        metric: float(value)
        for metric, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
