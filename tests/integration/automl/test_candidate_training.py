"""A candidate is searched, backtested and proved, or is out with its reason; the run goes on."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from synthetic_load import synthetic

from smartgrid import clock
from smartgrid.automl.candidate import moment, train_candidate
from smartgrid.automl.disk_full import DiskFull
from smartgrid.automl.judge import judge_run
from smartgrid.automl.run_folder import Snapshot, candidate_folder
from smartgrid.automl.snapshot import take_snapshot
from smartgrid.automl.tournament_progress import trials
from smartgrid.automl.trainer import Budget
from smartgrid.lake import upsert_measurements
from smartgrid.settings import get_settings
from smartgrid.store import migrate

NOW = datetime(2024, 4, 29, tzinfo=UTC)


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshot]:
    """Two zones, 119 days, one week to choose the winner on and one to judge it."""
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SMARTGRID_TIMEZONE", "UTC")
    get_settings.cache_clear()
    migrate()
    upsert_measurements(get_settings().lake_root, synthetic({"A": 100.0, "B": 5000.0}))
    clock.advance_to(NOW)
    yield take_snapshot(100, 7, "actual", selection_days=7)
    get_settings.cache_clear()


def train(snapshot: Snapshot, name: str, wall_s: float = 20, lines: list[str] | None = None) -> dict[str, object]:
    said = lines if lines is not None else []
    return train_candidate(snapshot.run_id, name, Budget(wall_s, seed=5, memory_mb=4000), said.append)


def test_the_ridge_is_backtested_on_both_windows_and_proved(snapshot: Snapshot) -> None:
    outcome = train(snapshot, "per_hour_ridge")
    assert "failed" not in outcome
    assert outcome["library"] == "numpy"
    assert outcome["library_version"] == np.__version__
    table = pl.read_parquet(candidate_folder(snapshot.run_id, "per_hour_ridge") / "backtest.parquet")
    assert table.height == outcome["backtest_rows"] == 2 * 14 * 24
    assert table["issue_time"].min() == snapshot.select_start
    export = outcome["export"]
    assert isinstance(export, dict)
    assert export["largest_difference"] < 1e-9
    assert 0 < export["size_mb"] < 5
    assert 0 < float(str(outcome["cpu_s"])) < 120
    assert float(str(outcome["peak_memory_mb"])) > 100
    assert not list(candidate_folder(snapshot.run_id, "per_hour_ridge").glob(".*"))
    again = train(snapshot, "per_hour_ridge")
    assert again == outcome  # a retry finds what is there


def test_no_trainer_sees_a_row_of_the_selection_window(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    from smartgrid.automl import candidate
    from smartgrid.automl.per_hour_ridge import PerHourRidge, PerHourRidgeRecipe
    from smartgrid.automl.trainer import Progress
    from smartgrid.features.frame import FeatureFrame

    seen: list[np.datetime64] = []

    class Watched(PerHourRidge):
        def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> PerHourRidgeRecipe:
            seen.append(frame.target_time.max())
            return super().search(frame, budget, progress)

    monkeypatch.setattr(candidate, "trainer", lambda _: Watched())
    candidate.search_in_child(snapshot.run_id, "per_hour_ridge", Budget(5), print)
    assert seen[0] == moment(snapshot.select_start) - np.timedelta64(1, "h")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "library"), [("tpot", "tpot"), ("autokeras", "autokeras")])
def test_a_searching_trainer_competes_and_its_trials_are_on_file(snapshot: Snapshot, name: str, library: str) -> None:
    outcome = train(snapshot, name, wall_s=25)
    assert "failed" not in outcome, outcome["failed"]
    assert outcome["library"] == library
    run = candidate_folder(snapshot.run_id, name).parents[1]
    reported = [record for record in trials(run)[name] if record["trial"]]
    assert int(str(outcome["trials"])) >= len(reported) >= 1
    scores = [record["score"] for record in reported if record["score"] is not None]
    assert outcome["search_score"] == pytest.approx(min(scores), abs=1e-6)
    assert outcome["best"]
    export = outcome["export"]
    assert isinstance(export, dict)
    assert export["largest_difference"] <= 1e-6
    assert judge_run(snapshot.run_id, [name])["winner"] in (name, "ensemble")
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("autokeras-*"))


@pytest.mark.parametrize("name", ["autokeras", "tpot"])
def test_a_library_that_cannot_be_imported_loses_with_its_reason(
    snapshot: Snapshot, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / f"{name}.py").write_text("raise ImportError('broken on purpose')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    outcome = train(snapshot, name)
    assert "TrainerUnavailable" in str(outcome["failed"])
    assert "broken on purpose" in str(outcome["failed"])
    monkeypatch.delenv("PYTHONPATH")
    train(snapshot, "per_hour_ridge")
    board = judge_run(snapshot.run_id, ["per_hour_ridge", name])
    assert board["winner"] == "per_hour_ridge"
    assert next(row for row in board["rows"] if row["candidate"] == name)["failed"] == outcome["failed"]


def test_a_library_that_crashes_loses_with_its_last_words(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tpot.py").write_text("raise RuntimeError('a bug of the library')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = train(snapshot, "tpot")
    assert str(outcome["failed"]).startswith("TrainerCrashed")
    assert "RuntimeError: a bug of the library" in str(outcome["failed"])[:300]


def test_a_budget_of_a_second_makes_the_tournament_smaller(snapshot: Snapshot) -> None:
    outcome = train(snapshot, "autokeras", wall_s=1)
    assert str(outcome["failed"]).startswith("BudgetTooSmall")
    assert float(str(outcome["wall_s"])) < 45


def test_a_disk_that_is_full_during_the_export_proof_is_named(snapshot: Snapshot) -> None:
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # inherited by the trainer's process
        outcome = train(snapshot, "per_hour_ridge")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "failed" in outcome
    assert str(outcome["failed"]).startswith("DiskFull"), outcome["failed"]
    place = candidate_folder(snapshot.run_id, "per_hour_ridge")
    assert json.loads((place / "candidate.json").read_text())["failed"] == outcome["failed"]
    assert not list(place.glob(".*"))
    assert "failed" not in train(snapshot, "per_hour_ridge")  # there is room again


def test_when_not_even_the_reason_can_be_written_it_is_raised(snapshot: Snapshot) -> None:
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
        with pytest.raises(DiskFull):
            train(snapshot, "per_hour_ridge")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
