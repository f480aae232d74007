"""Retrain a run from what it recorded, and say what came out differently.

The data are those of the run, proved by their checksums; the seed, the trainers and their budgets are the recorded
ones. A search is limited by time, so that a busier machine may find another pipeline; fitting the recorded recipe again
is not, and must give the same model.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.automl.budget import training_budget
from smartgrid.automl.candidate import fit_winner, moment, save_joblib, train_candidate
from smartgrid.automl.ensemble import ENSEMBLE, MeanRecipe
from smartgrid.automl.environment import differences, environment, recorded_environment
from smartgrid.automl.run_folder import (
    Snapshot,
    candidate_folder,
    folder,
    load_json,
    load_snapshot,
    save_json,
    save_snapshot,
)
from smartgrid.automl.tournament import preset_of
from smartgrid.automl.trainer import Budget, Progress
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import system_total
from smartgrid.evaluation.metrics import score
from smartgrid.lake import read_parquet
from smartgrid.settings import get_settings

MARK = "-again-"
SAME = 1e-9  # relative: the order of sums may differ between machines


class NotReproducible(SmartGridError):
    """A run lacks what a repetition needs."""

    exit_code = 2

    def __init__(self, run_id: str, missing: str) -> None:
        self.run_id, self.missing = run_id, missing
        super().__init__(f"Run {run_id} cannot be repeated: {missing}. Only finished tournaments can.")


def reproduce(run_id: str, progress: Progress) -> dict[str, Any]:
    """Retrain every trainer of `run_id` in a new run folder and compare; nothing is registered or promoted.

    Returns:
        `run_id`, `again` (the new run's id), `environment` (what differs), `trainers` (per trainer the MAPE of the
        system total then and now, or the failures), `winner` with the largest prediction differences of the retrained
        model and of the recorded recipe fitted again, and `identical`.

    Raises:
        UnknownRun, NotReproducible
        DatasetMissing, ChecksumMismatch: the data are not there any more, or are not what they were.
    """
    snapshot = load_snapshot(run_id)
    path = folder(run_id) / "leaderboard.json"
    if not path.is_file():
        raise NotReproducible(run_id, "it has no leaderboard")
    winner = str(load_json(path)["winner"])
    for reference in (snapshot.measurements, snapshot.weather):
        read_parquet(reference)  # checks the sha256
    progress(f"data of {run_id}: {snapshot.measurements.rows:,} rows, checksums as recorded")
    again = snapshot.model_copy(update={"run_id": f"{run_id}{MARK}{datetime.now(UTC):%Y%m%d%H%M%S}"})
    save_snapshot(again)
    now = environment()
    save_json(folder(again.run_id) / "environment.json", now)
    outcomes = {
        name: outcome
        for name in sorted(path.parent.name for path in folder(run_id).glob("candidates/*/candidate.json"))
        if name != ENSEMBLE and (outcome := load_json(candidate_folder(run_id, name) / "candidate.json"))
    }
    repeated = {
        name: train_candidate(again.run_id, name, _budget(outcome, snapshot), _named(name, progress))
        for name, outcome in outcomes.items()
    }
    trainers = [_trainer(snapshot, again, name, outcomes[name], repeated[name]) for name in outcomes]
    compared = _winner(snapshot, again, winner)
    result = {
        "run_id": run_id,
        "again": again.run_id,
        "data": {"sha256": snapshot.measurements.sha256, "rows": snapshot.measurements.rows, "unchanged": True},
        "seed": snapshot.seed,
        "environment": differences(recorded_environment(run_id), now),
        "trainers": trainers,
        "winner": compared,
        "identical": all(row["difference"] in (None, 0.0) and row["failed"] == row["failed_now"] for row in trainers)
        and (compared.get("largest_relative_difference") or 0.0) <= SAME,
    }
    save_json(folder(again.run_id) / "reproduction.json", result)
    return result


def _budget(outcome: dict[str, Any], snapshot: Snapshot) -> Budget:
    """The recorded seconds and seed, with the rows and the patience of the preset of the run."""
    budget = training_budget(
        get_settings().training,
        snapshot.run_id,
        outcome["trainer"],
        budget_s=float(outcome["budget_s"]),
        preset_name=preset_of(snapshot.run_id),
    )
    return replace(budget, seed=int(outcome.get("seed", snapshot.seed)))


def _trainer(
    snapshot: Snapshot, again: Snapshot, name: str, before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    then, now = _mape(snapshot, name), _mape(again, name)
    return {
        "trainer": name,
        "mape_percent": then,
        "mape_percent_now": now,
        "difference": None if then is None or now is None else now - then,
        "failed": before.get("failed"),
        "failed_now": after.get("failed"),
    }


def _mape(snapshot: Snapshot, name: str) -> float | None:
    """MAPE of the system total in the test window; None for a trainer that failed."""
    path = candidate_folder(snapshot.run_id, name) / "backtest.parquet"
    if not path.is_file():
        return None
    table = pl.read_parquet(path).filter(pl.col("issue_time") >= snapshot.backtest_start)
    total = system_total(table)
    return score(total["actual_kw"].to_numpy(), total["predicted_kw"].to_numpy(), None).mape_percent


def _winner(snapshot: Snapshot, again: Snapshot, winner: str) -> dict[str, Any]:
    """The winner then against the winner retrained, and against its recorded recipe fitted again."""
    import joblib

    rows = snapshot.frame(snapshot.backtest_start)
    rows = rows.between(moment(snapshot.backtest_start), moment(snapshot.end))
    result: dict[str, Any] = {"trainer": winner, "rows": len(rows)}
    recorded = candidate_folder(snapshot.run_id, winner)
    if not (recorded / "model.joblib").is_file():
        return result | {"reason": "the recorded model is not there any more"}
    expected_kw = joblib.load(recorded / "model.joblib").predict(rows.X)
    place = candidate_folder(again.run_id, "recorded-recipe")
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(recorded / "recipe.joblib", place / "recipe.joblib")
    refitted = joblib.load(fit_winner(again, "recorded-recipe"))
    result["recipe_fitted_again"] = _largest(expected_kw, refitted.predict(rows.X))
    shutil.rmtree(place)
    if winner == ENSEMBLE:
        _ensemble_again(snapshot, again)
    if not (candidate_folder(again.run_id, winner) / "recipe.joblib").is_file():
        return result | {"reason": "it failed this time"}
    retrained = joblib.load(fit_winner(again, winner))
    found = _largest(expected_kw, retrained.predict(rows.X))
    return result | {
        "largest_difference_kw": found["kw"],
        "largest_relative_difference": found["relative"],
    }


def _ensemble_again(snapshot: Snapshot, again: Snapshot) -> None:
    """The recorded members with their recorded weights, retrained; nothing where one of them failed."""
    import joblib

    weights = load_json(candidate_folder(snapshot.run_id, ENSEMBLE) / "candidate.json")["members"]
    recipes = [candidate_folder(again.run_id, name) / "recipe.joblib" for name in weights]
    if all(path.is_file() for path in recipes):
        recipe = MeanRecipe([joblib.load(path) for path in recipes], list(weights.values()))
        save_joblib(recipe, candidate_folder(again.run_id, ENSEMBLE) / "recipe.joblib")


def _largest(expected_kw: npt.NDArray[np.float64], found_kw: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """The largest difference in kW and relative to the expected load; None where no row has both."""
    both = np.isfinite(expected_kw) & np.isfinite(found_kw)
    if not both.any():
        return {"kw": None, "relative": None}
    difference = np.abs(expected_kw[both] - found_kw[both])
    relative = difference / np.maximum(np.abs(expected_kw[both]), 0.001)
    return {"kw": float(difference.max()), "relative": float(relative.max())}


def _named(name: str, progress: Progress) -> Progress:
    return lambda line: progress(f"{name}: {line}")
