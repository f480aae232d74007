"""Train one candidate: search within the budget, then backtest what was found."""

from __future__ import annotations

import io
import os
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from smartgrid.automl.child_process import run_limited
from smartgrid.automl.run_folder import Snapshot, candidate_folder, load_json, load_snapshot, save_json
from smartgrid.automl.trainer import Budget, Progress, Recipe, trainer
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import rolling_origin
from smartgrid.lake.files import write_bytes

BACKTEST_S = 600.0  # refits are cheap beside the search; more than this is a model too slow to retrain weekly
START_UP_S = 45.0  # of the child: imports and building the frame, on a busy machine


def train_candidate(run_id: str, name: str, budget: Budget, progress: Progress) -> dict[str, Any]:
    """Train and backtest; the result is the content of candidate.json. A repeated call returns what is there.

    A trainer that crashes, times out or runs out of memory loses with its reason: `failed` is set and nothing raised.

    Raises:
        UnknownRun, UnknownTrainer
    """
    load_snapshot(run_id)
    trainer(name)
    place = candidate_folder(run_id, name)
    if (place / "candidate.json").exists():
        existing: dict[str, Any] = load_json(place / "candidate.json")
        if not existing.get("failed"):
            return existing
    started, cpu_before = time.monotonic(), _cpu_s()
    outcome: dict[str, Any] = {"run_id": run_id, "trainer": name, "started_at": datetime.now(UTC).isoformat()}
    try:
        recipe: Recipe = run_limited(
            "smartgrid.automl.candidate:search_in_child",
            {"run_id": run_id, "name": name, "budget": budget},
            wall_s=budget.wall_s + START_UP_S,
            memory_mb=budget.memory_mb,
            threads=budget.threads,
            progress=progress,
        )
        outcome["search_s"] = round(time.monotonic() - started, 1)
        save_joblib(recipe, place / "recipe.joblib")
        outcome["backtest_rows"] = run_limited(
            "smartgrid.automl.candidate:backtest_in_child",
            {"run_id": run_id, "name": name},
            wall_s=BACKTEST_S + budget.wall_s,
            memory_mb=budget.memory_mb,
            threads=budget.threads,
            progress=progress,
        )
    except SmartGridError as error:
        outcome["failed"] = f"{type(error).__name__}: {str(error)[:500]}"
        progress(f"{name} is out: {outcome['failed']}")
    outcome["wall_s"] = round(time.monotonic() - started, 1)
    outcome["cpu_s"] = round(_cpu_s() - cpu_before, 1)
    outcome["budget_s"] = budget.wall_s
    save_json(place / "candidate.json", outcome)
    return outcome


def search_in_child(run_id: str, name: str, budget: Budget, progress: Progress) -> Recipe:
    """The search alone, on rows before the backtest; runs in a process with hard limits."""
    snapshot = load_snapshot(run_id)
    frame = snapshot.frame()
    return trainer(name).search(frame.where(frame.target_time < moment(snapshot.backtest_start)), budget, progress)


def backtest_in_child(run_id: str, name: str, progress: Progress) -> int:
    """Backtest the candidate's recipe with weekly refits; returns the number of rows. Runs under limits, too."""
    import joblib

    snapshot, place = load_snapshot(run_id), candidate_folder(run_id, name)
    recipe: Recipe = joblib.load(place / "recipe.joblib")
    start, end = moment(snapshot.backtest_start), moment(snapshot.end)
    table = rolling_origin(recipe, snapshot.frame(), start, end, progress=progress)
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_bytes(str(place / "backtest.parquet"), buffer.getvalue())
    return table.height


def fit_winner(snapshot: Snapshot, name: str) -> Path:
    """Fit the recipe of a candidate on all data of the run; returns the file of the model. Repeating is free."""
    import joblib

    place = candidate_folder(snapshot.run_id, name)
    path = place / "model.joblib"
    if not path.exists():
        recipe: Recipe = joblib.load(place / "recipe.joblib")
        save_joblib(recipe.fit(snapshot.frame()), path)
    return path


def moment(value: datetime) -> np.datetime64:
    """A time as the feature frame keeps it: UTC without offset."""
    return np.datetime64(value.astimezone(UTC).replace(tzinfo=None), "us")


def _cpu_s() -> float:
    """CPU seconds of this process and its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def save_joblib(content: Any, path: Path) -> None:
    """Write a pickle of ours atomically."""
    import joblib

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    joblib.dump(content, temporary)
    os.replace(temporary, path)
