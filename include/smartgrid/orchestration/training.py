"""The form of `retrain_load_forecast` and the entries of its tournament."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

from smartgrid.automl.presets import PRESETS
from smartgrid.settings import TRAINERS, get_settings

DEFAULT_PRESET = "standard"
MIN_BUDGET_S, MAX_BUDGET_S = 10, 3600


def retrain_params() -> dict[str, Any]:
    """The form; what is left empty is decided by the preset, else by the settings `SMARTGRID_TRAINING__*`."""
    training = get_settings().training
    return {
        "preset": Param(
            training.preset or DEFAULT_PRESET,
            type="string",
            enum=list(PRESETS),
            title="Preset",
            description_md="\n".join(f"- **{preset.name}**: {preset.meaning}" for preset in PRESETS.values()),
        ),
        "trainers": Param(
            list(training.trainers),
            type="array",
            items={"type": "string", "enum": list(TRAINERS)},
            minItems=1,
            uniqueItems=True,
            examples=list(TRAINERS),
            title="Trainers",
        ),
        "budget_s": Param(
            None,
            type=["null", "integer"],
            minimum=MIN_BUDGET_S,
            maximum=MAX_BUDGET_S,
            title="Budget (s per trainer)",
            description="Empty: the trainers share the seconds of the preset.",
        ),
        "history_days": Param(
            None, type=["null", "integer"], minimum=60, title="History (days)", description="Empty: as the preset says."
        ),
        "backtest_days": Param(
            None,
            type=["null", "integer"],
            minimum=7,
            title="Test window (days)",
            description="Empty: as the preset says.",
        ),
        "temperature": Param(
            "auto", type="string", enum=["auto", "forecast", "actual", "none"], title="Temperature in the features"
        ),
    }


def entries(snapshot: dict[str, Any], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Arguments of `automl.train`, one for each trainer of the form."""
    shared = {"preset": params["preset"], "budget_s": params["budget_s"], "trainers": params["trainers"]}
    return [{"run_id": snapshot["run_id"], "trainer": trainer, **shared} for trainer in params["trainers"]]
