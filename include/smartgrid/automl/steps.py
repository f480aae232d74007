"""Steps of a training run: snapshot, train one candidate, judge."""

from __future__ import annotations

import logging
from typing import Any

from smartgrid.automl.budget import training_budget
from smartgrid.automl.candidate import train_candidate
from smartgrid.automl.judge import judge_run
from smartgrid.automl.report import note, write_report
from smartgrid.automl.snapshot import TemperatureChoice
from smartgrid.automl.tournament import begin
from smartgrid.settings import get_settings

log = logging.getLogger(__name__)

REASON_CHARACTERS = 400  # a step returns at most 8 KiB


def snapshot(
    days: int | None = None,
    backtest_days: int | None = None,
    temperature: TemperatureChoice = "auto",
    key: str = "",
    selection_days: int | None = None,
    preset: str | None = None,
) -> dict[str, Any]:
    """Fix the data of a run and note what it is made with; `key` tells runs on the same data apart.

    Days that are not given are those of the preset, else of the settings.
    """
    taken = begin(preset, days, backtest_days, selection_days, temperature, key)
    return {
        "run_id": taken.run_id,
        "dataset": taken.measurements.model_dump(mode="json"),
        "zones": len(taken.zones),
        "temperature": taken.temperature,
        "backtest_start": taken.backtest_start.isoformat(),
        "end": taken.end.isoformat(),
    }


def train(
    run_id: str,
    trainer: str,
    budget_s: float | None = None,
    preset: str | None = None,
    total_budget_s: float | None = None,
    trainers: list[str] | None = None,
) -> dict[str, Any]:
    """Train, backtest and prove one candidate. A trainer that fails is on the leaderboard with its reason.

    `budget_s` are its seconds; without it they are its share of the preset's or of `total_budget_s`, which all
    `trainers` of the run divide among themselves.
    """
    budget = training_budget(
        get_settings().training,
        run_id,
        trainer,
        budget_s=budget_s,
        preset_name=preset,
        total_budget_s=total_budget_s,
        trainers=trainers,
    )
    return train_candidate(run_id, trainer, budget, lambda line: log.info("%s: %s", trainer, line))


def judge(run_id: str, candidates: list[str] | None = None) -> dict[str, Any]:
    """Score all trained candidates, name the winner, decide the gate. `candidates` names who took part."""
    result = judge_run(run_id, candidates)
    write_report(run_id)
    return {
        "run_id": run_id,
        "winner": result["winner"],
        "gate_passed": result["gate_passed"],
        "verdict": result["verdict"][:REASON_CHARACTERS],
        "leaderboard": [small_row(row) for row in result["rows"]],
        "note": note(result),
    }


def small_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the leaderboard as a step may return it: scores, and a reason that is no traceback."""
    kept = {name: row[name] for name in ("candidate", "mape_percent", "mase") if row.get(name) is not None}
    return kept | ({"failed": str(row["failed"])[:REASON_CHARACTERS]} if row.get("failed") else {})
