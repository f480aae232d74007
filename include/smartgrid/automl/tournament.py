"""A whole tournament in one process: data, snapshot, every trainer within its budget, verdict, report.

Airflow runs the same steps as tasks; both keep what they do in the folder of the run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from smartgrid.automl.budget import training_budget
from smartgrid.automl.candidate import train_candidate
from smartgrid.automl.data_ready import ensure_data
from smartgrid.automl.environment import record_environment
from smartgrid.automl.judge import judge_run
from smartgrid.automl.presets import preset as preset_named
from smartgrid.automl.report import write_report
from smartgrid.automl.run_folder import Snapshot, candidate_folder, folder, load_json, save_json
from smartgrid.automl.snapshot import TemperatureChoice, take_snapshot
from smartgrid.automl.trainer import Progress, trainer
from smartgrid.settings import Settings, get_settings

TOURNAMENT_FILE = "tournament.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tournament is asked for; what is None is decided by the preset, else by the settings."""

    preset: str
    trainers: list[str] = field(default_factory=list)
    total_budget_s: float | None = None
    history_days: int | None = None
    backtest_days: int | None = None
    temperature: TemperatureChoice = "auto"
    key: str = ""


def begin(
    preset: str | None,
    days: int | None,
    backtest_days: int | None,
    selection_days: int | None,
    temperature: TemperatureChoice,
    key: str,
    *,
    record_may_end: bool = False,
) -> Snapshot:
    """Take the snapshot of a run and note beside it the preset and the environment; days not given are the preset's.

    Raises:
        UnknownPreset, NotEnoughHistory
    """
    training = get_settings().training
    name = preset or training.preset
    chosen = preset_named(name) if name else None
    if selection_days is None:
        selection_days = chosen.selection_days if chosen else None
    taken = take_snapshot(
        days or (chosen and chosen.history_days) or training.history_days,
        backtest_days or (chosen and chosen.backtest_days) or training.backtest_days,
        temperature,
        key,
        selection_days,
        record_may_end=record_may_end,
    )
    path = folder(taken.run_id) / TOURNAMENT_FILE
    if not path.exists():
        save_json(path, {"preset": name})
    record_environment(taken.run_id)
    return taken


def preset_of(run_id: str) -> str | None:
    """The preset that a run was made with."""
    path = folder(run_id) / TOURNAMENT_FILE
    recorded: str | None = load_json(path)["preset"] if path.is_file() else None
    return recorded


def hold(settings: Settings, entry: Entry, progress: Progress) -> dict[str, Any]:
    """Hold the tournament; return what the leaderboard.json of the run holds.

    The lake is filled from the configured source where it is empty. A trainer that fails is on the leaderboard with its
    reason.

    Raises:
        UnknownPreset, UnknownTrainer, NotEnoughHistory
        NoCandidates: every trainer failed.
    """
    preset_named(entry.preset)
    names = list(dict.fromkeys(entry.trainers or settings.training.trainers))
    for name in names:
        trainer(name)
    ensure_data(settings, progress)
    # Held by hand on recorded data: how good a model is on them, although nothing is left that it could forecast.
    snapshot = begin(
        entry.preset, entry.history_days, entry.backtest_days, None, entry.temperature, entry.key, record_may_end=True
    )
    run_id = snapshot.run_id
    progress(
        f"run {run_id}: {snapshot.measurements.rows:,} rows of {len(snapshot.zones)} zones, test window from "
        f"{snapshot.backtest_start:%Y-%m-%d} to {snapshot.end:%Y-%m-%d}, temperature: {snapshot.temperature}"
    )
    for name in names:
        _train(settings, entry, run_id, name, names, progress)
    progress("judging")
    board = judge_run(run_id, names)
    write_report(run_id)
    progress(board["verdict"])
    return board


def usage(run_id: str) -> dict[str, float]:
    """Seconds that the trainers of a run really took: `wall_s`, `cpu_s`, and the `budget_s` that they had."""
    found = [load_json(path) for path in sorted(folder(run_id).glob("candidates/*/candidate.json"))]
    trained = [outcome for outcome in found if "budget_s" in outcome]
    return {
        name: round(sum(float(outcome.get(name) or 0.0) for outcome in trained), 1)
        for name in ("budget_s", "wall_s", "cpu_s")
    }


def _train(settings: Settings, entry: Entry, run_id: str, name: str, names: list[str], progress: Progress) -> None:
    budget = training_budget(
        settings.training,
        run_id,
        name,
        preset_name=entry.preset,
        total_budget_s=entry.total_budget_s,
        trainers=names,
    )
    done = (candidate_folder(run_id, name) / "candidate.json").is_file()
    progress(f"{name}: {'was here before' if done else f'{budget.wall_s:.0f} s of search'}")
    began = time.monotonic()
    outcome = train_candidate(run_id, name, budget, lambda line: progress(f"{name}: {line}"))
    said = f"is out: {outcome['failed']}" if outcome.get("failed") else f"{outcome.get('trials', 0)} trials"
    progress(f"{name}: {said.splitlines()[0]} ({time.monotonic() - began:.0f} s)")
