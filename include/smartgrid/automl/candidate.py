"""Train one candidate: search within the budget, backtest what was found, and prove that it can be served.

Three windows: the search sees rows before `select_start`; the backtest runs over [select_start, end), its first part
chooses the winner, its second judges it; the proof exports the model fitted on rows before `backtest_start`.

candidate.json holds: run_id, trainer, library, library_version, started_at, seed, budget_s, failed (only if it is out),
search_s, trials, failed_trials, best, search_score, stopped (why the search ended early, if it did), backtest_rows,
fits (of the backtest), fit_s (seconds of the first), export {size_mb, ms_per_row, largest_difference, export_s},
wall_s, cpu_s (children included), peak_memory_mb.
"""

from __future__ import annotations

import io
import os
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from smartgrid.automl.child_process import run_limited
from smartgrid.automl.disk_full import DiskFull, naming_a_full_disk
from smartgrid.automl.export_proof import prove_candidate
from smartgrid.automl.progress import ProgressFile
from smartgrid.automl.run_folder import Snapshot, candidate_folder, load_json, load_snapshot, save_json
from smartgrid.automl.tournament_progress import PROGRESS_FILE
from smartgrid.automl.trainer import Budget, Progress, Recipe, library_of, summary_of, trainer
from smartgrid.automl.usage import Usage
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import rolling_origin
from smartgrid.lake.files import write_bytes

EVALUATION_S = 600.0  # refits are cheap beside the search; more than this is a model too slow to retrain weekly
START_UP_S = 90.0  # of the child: imports and building the frame, on a busy machine; the search has its own clock


def train_candidate(run_id: str, name: str, budget: Budget, progress: Progress) -> dict[str, Any]:
    """Train, backtest and prove; the result is the content of candidate.json. A repeated call returns what is there.

    A trainer that crashes, times out, runs out of memory or cannot be exported exactly loses with its reason: `failed`
    is set and nothing raised.

    Raises:
        UnknownRun, UnknownTrainer
        DiskFull: not even the reason could be written.
    """
    load_snapshot(run_id)
    chosen = trainer(name)
    place = candidate_folder(run_id, name)
    if (place / "candidate.json").exists():
        existing: dict[str, Any] = load_json(place / "candidate.json")
        if not existing.get("failed"):
            return existing
    outcome: dict[str, Any] = {
        "run_id": run_id,
        "trainer": name,
        "library": library_of(chosen),
        "library_version": _version(library_of(chosen)),
        "started_at": datetime.now(UTC).isoformat(),
        "seed": budget.seed,
        "budget_s": budget.wall_s,
    }
    started, usage = time.monotonic(), Usage()
    with naming_a_full_disk(place):
        lines = ProgressFile(place / PROGRESS_FILE, progress)
        try:
            _search_and_evaluate(outcome, place, budget, lines, usage)
        except SmartGridError as error:
            outcome["failed"] = f"{type(error).__name__}: {str(error)[:800]}"
            if not isinstance(error, DiskFull):
                lines(f"{name} is out: {outcome['failed']}")
        outcome["wall_s"] = round(time.monotonic() - started, 1)
        outcome["cpu_s"] = round(usage.cpu_s, 1)
        outcome["peak_memory_mb"] = round(usage.peak_memory_mb)
        save_json(place / "candidate.json", outcome)
    return outcome


def _search_and_evaluate(
    outcome: dict[str, Any], place: Path, budget: Budget, lines: ProgressFile, usage: Usage
) -> None:
    """Fill `outcome` step by step, so that what was measured before a failure is kept."""
    which = {"run_id": outcome["run_id"], "name": outcome["trainer"]}
    started = time.monotonic()
    try:
        recipe: Recipe = run_limited(
            "smartgrid.automl.candidate:search_in_child",
            {**which, "budget": budget},
            wall_s=budget.wall_s + START_UP_S,
            memory_mb=budget.memory_mb,
            threads=budget.threads,
            progress=lines,
            usage=usage,
        )
    finally:
        outcome["search_s"] = round(time.monotonic() - started, 1)
        outcome["trials"] = lines.trials
    found = summary_of(recipe)
    outcome |= {
        "trials": max(found.trials, lines.trials),
        "failed_trials": found.failed,
        "best": found.best[:300],
        "search_score": found.score,
        "stopped": found.stopped,
    }
    with naming_a_full_disk(place):
        save_joblib(recipe, place / "recipe.joblib")
    outcome |= run_limited(
        "smartgrid.automl.candidate:evaluate_in_child",
        which,
        wall_s=EVALUATION_S + budget.wall_s,
        memory_mb=budget.memory_mb,
        threads=budget.threads,
        progress=lines,
        usage=usage,
    )


def search_in_child(run_id: str, name: str, budget: Budget, progress: Progress) -> Recipe:
    """The search alone, on rows before the selection window; runs in a process with hard limits."""
    snapshot = load_snapshot(run_id)
    frame = snapshot.frame()
    return trainer(name).search(frame.where(frame.target_time < moment(snapshot.select_start)), budget, progress)


def evaluate_in_child(run_id: str, name: str, progress: Progress) -> dict[str, Any]:
    """Backtest the candidate's recipe over selection and test window, then prove its export. Runs under limits, too.

    Returns:
        backtest_rows, fits, fit_s, export

    Raises:
        ExportParityError, NotExportable
    """
    import joblib

    snapshot, place = load_snapshot(run_id), candidate_folder(run_id, name)
    recipe: Recipe = joblib.load(place / "recipe.joblib")
    frame = snapshot.frame()
    test_start, end = moment(snapshot.backtest_start), moment(snapshot.end)
    proved: Any = None
    seconds: list[float] = []

    def on_fit(origin: np.datetime64, model: Any, fit_s: float) -> None:
        nonlocal proved
        seconds.append(fit_s)
        if origin == test_start:
            proved = model

    table = rolling_origin(
        recipe, frame, moment(snapshot.select_start), end, border=test_start, on_fit=on_fit, progress=progress
    )
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_bytes(str(place / "backtest.parquet"), buffer.getvalue())
    # The model that forecast the test window: the very one whose errors are judged.
    facts = prove_candidate(proved, frame.between(test_start, end), place)
    progress(
        f"exported in {facts['export_s']:.1f} s: {facts['size_mb']:.2f} MB, {facts['ms_per_row']:.4f} ms a row, "
        f"largest difference {facts['largest_difference']:.1e}"
    )
    return {"backtest_rows": table.height, "fits": len(seconds), "fit_s": round(seconds[0], 1), "export": facts}


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


def save_joblib(content: Any, path: Path) -> None:
    """Write a pickle of ours atomically."""
    import joblib

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        joblib.dump(content, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
