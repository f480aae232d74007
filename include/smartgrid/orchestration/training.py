"""The form of `retrain_load_forecast` and the entries of its tournament."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

from smartgrid.settings import TRAINERS, get_settings

MIN_BUDGET_S, MAX_BUDGET_S = 10, 3600


def retrain_params() -> dict[str, Any]:
    """The form; its defaults are the settings `SMARTGRID_TRAINING__*`."""
    training = get_settings().training
    return {
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
            # The setting allows more than the form: an odd default must not make the DAG unreadable.
            min(max(training.budget_s, MIN_BUDGET_S), MAX_BUDGET_S),
            type="integer",
            minimum=MIN_BUDGET_S,
            maximum=MAX_BUDGET_S,
            title="Budget (s per trainer)",
        ),
        "history_days": Param(training.history_days, type="integer", minimum=60, title="History (days)"),
        "backtest_days": Param(training.backtest_days, type="integer", minimum=7, title="Backtest (days)"),
        "temperature": Param(
            "auto", type="string", enum=["auto", "forecast", "actual", "none"], title="Temperature in the features"
        ),
    }


def entries(snapshot: dict[str, Any], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Arguments of `automl.train`, one for each trainer of the form."""
    return [
        {"run_id": snapshot["run_id"], "trainer": trainer, "budget_s": params["budget_s"]}
        for trainer in params["trainers"]
    ]
