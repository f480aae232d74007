"""Steps of a training run: snapshot, train one candidate, judge."""

from __future__ import annotations

import logging
from typing import Any

from smartgrid.automl.candidate import train_candidate
from smartgrid.automl.judge import judge_run
from smartgrid.automl.snapshot import TemperatureChoice, take_snapshot
from smartgrid.automl.trainer import Budget
from smartgrid.settings import get_settings

log = logging.getLogger(__name__)


def snapshot(
    days: int | None = None,
    backtest_days: int | None = None,
    temperature: TemperatureChoice = "auto",
    key: str = "",
) -> dict[str, Any]:
    """Fix the data of a run; `key` tells runs on the same data apart."""
    defaults = get_settings().training
    taken = take_snapshot(days or defaults.history_days, backtest_days or defaults.backtest_days, temperature, key)
    return {
        "run_id": taken.run_id,
        "dataset": taken.measurements.model_dump(mode="json"),
        "zones": len(taken.zones),
        "temperature": taken.temperature,
        "backtest_start": taken.backtest_start.isoformat(),
        "end": taken.end.isoformat(),
    }


def train(run_id: str, trainer: str, budget_s: float | None = None) -> dict[str, Any]:
    """Train and backtest one candidate. A trainer that fails is on the leaderboard with its reason."""
    defaults = get_settings().training
    budget = Budget(wall_s=float(budget_s or defaults.budget_s), memory_mb=defaults.memory_limit_mb, seed=defaults.seed)
    return train_candidate(run_id, trainer, budget, lambda line: log.info("%s: %s", trainer, line))


def judge(run_id: str, candidates: list[str] | None = None) -> dict[str, Any]:
    """Score all trained candidates, name the winner, decide the gate. `candidates` names who took part."""
    result = judge_run(run_id, candidates)
    return {
        "run_id": run_id,
        "winner": result["winner"],
        "gate_passed": result["gate_passed"],
        "verdict": result["verdict"],
        "leaderboard": [
            {key: row.get(key) for key in ("candidate", "mape_percent", "mase", "failed") if row.get(key) is not None}
            for row in result["rows"]
        ],
    }
