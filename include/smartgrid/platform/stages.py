"""The stages of the first run: which DAG, and by what result in the store it is known to be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smartgrid.platform import pipeline_state
from smartgrid.settings import Settings

# The training that `make run` starts: every trainer once, enough to beat both naive forecasts.
FIRST_PRESET = "smoke"


@dataclass(frozen=True)
class Stage:
    """`done` looks at the store. `grace_s`: how long an asset has to start the run before we start it ourselves."""

    title: str
    dag_id: str
    done: Callable[[], bool]
    grace_s: float = 0.0
    conf: dict[str, Any] = field(default_factory=dict)
    # Why a run that succeeded left no result, in words; None if another run may bring it.
    explain: Callable[[], str | None] = lambda: None


def stages(settings: Settings) -> list[Stage]:
    """From an empty platform to a served forecast. A stage whose result is there is passed over."""
    return [
        Stage(
            "Ingest measurements",
            "ingest_measurements",
            lambda: pipeline_state.any_batch() and pipeline_state.data_time(settings) is not None,
        ),
        Stage(
            "Validate",
            "validate_measurements",
            lambda: pipeline_state.validated_batches() > 0 and pipeline_state.landed_batches() == 0,
            grace_s=30,
            explain=_why_nothing_validated,
        ),
        Stage(
            "Train",
            "retrain_load_forecast",
            lambda: pipeline_state.served_model(settings) is not None or pipeline_state.candidate_waits(settings),
            conf={"preset": FIRST_PRESET},
            explain=_why_no_candidate,
        ),
        Stage(
            "Promote",
            "promote_load_forecast",
            lambda: pipeline_state.served_model(settings) is not None,
            grace_s=30,
        ),
        Stage(
            "Forecast",
            "forecast_load",
            lambda: pipeline_state.forecast_is_current(settings, pipeline_state.latest_forecast()),
            grace_s=30,
        ),
    ]


def _why_nothing_validated() -> str | None:
    if pipeline_state.landed_batches() or pipeline_state.validated_batches():
        return None
    return "validation stopped every batch; the reasons are in the table `validations` and on the Smart Grid page"


def _why_no_candidate() -> str | None:
    training = pipeline_state.latest_training()
    if training is None or training.gate_passed:
        return None
    return f"no candidate passed the gate: {training.verdict}"
