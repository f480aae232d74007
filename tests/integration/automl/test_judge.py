"""A run is judged: the better challenger wins, a hidden regression is refused, and everything is written down."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from synthetic_load import synthetic

from smartgrid import clock
from smartgrid.automl.candidate import moment, save_joblib
from smartgrid.automl.ensemble import MeanRecipe
from smartgrid.automl.judge import NoCandidates, judge_run
from smartgrid.automl.per_hour_ridge import PerHourRidge, PerHourRidgeRecipe
from smartgrid.automl.quantiles import residual_quantiles
from smartgrid.automl.run_folder import Snapshot, candidate_folder, folder, load_snapshot, save_json
from smartgrid.automl.snapshot import take_snapshot
from smartgrid.automl.trainer import Budget
from smartgrid.evaluation.backtest import forecast_table, rolling_origin
from smartgrid.features.frame import FeatureFrame
from smartgrid.lake import upsert_measurements, upsert_weather
from smartgrid.lake.measurements import WEATHER_SCHEMA
from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import BacktestScore, Promotion, TrainingRun

DAY = timedelta(days=1)
NOW = datetime(2024, 5, 20, tzinfo=UTC)
ZONES = {"A": 100.0, "B": 150.0, "C": 400.0}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Three zones on a lake."""
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    monkeypatch.setenv("SMARTGRID_TIMEZONE", "UTC")
    get_settings.cache_clear()
    migrate()
    upsert_measurements(get_settings().lake_root, synthetic(ZONES, days=160))
    yield tmp_path
    get_settings.cache_clear()


def run(now: datetime = NOW, key: str = "", **options: Any) -> Snapshot:
    clock.advance_to(now)
    defaults: dict[str, Any] = {"days": 80, "backtest_days": 21, "temperature": "none", "selection_days": 14}
    return take_snapshot(**(defaults | options), key=key)


def recipe_of(snapshot: Snapshot) -> tuple[PerHourRidgeRecipe, FeatureFrame]:
    frame = snapshot.frame()
    known = frame.where(frame.target_time < moment(snapshot.select_start))
    return PerHourRidge().search(known, Budget(10), lambda _: None), frame


def candidate(snapshot: Snapshot, name: str, table: pl.DataFrame, recipe: Any, **outcome: Any) -> None:
    place = candidate_folder(snapshot.run_id, name)
    save_joblib(recipe, place / "recipe.joblib")
    table.write_parquet(place / "backtest.parquet")
    details = {"trainer": name, "search_s": 1.0, "wall_s": 2.0, "cpu_s": 10.0}
    save_json(place / "candidate.json", details | {"export": {"size_mb": 1.0, "ms_per_row": 0.1}} | outcome)


def planted(snapshot: Snapshot, error: dict[str, float], seed: int) -> pl.DataFrame:
    """A backtest whose relative error is drawn with the given spread for each zone."""
    frame = snapshot.frame(snapshot.select_start)
    spread = np.array([error[zone] for zone in frame.zone.tolist()])
    draw = np.random.default_rng(seed).normal(0, 1, len(frame))
    return forecast_table(frame, frame.y_kw * (1 + spread * draw))


def promote(run_id: str | None, version: int = 1) -> None:
    with session() as transaction:
        name = get_settings().model_name
        transaction.add(
            Promotion(
                decided_at=NOW,
                model_name=name,
                version=version,
                action="promote",
                decided_by="t",
                reason="",
                run_id=run_id,
            )
        )


@pytest.fixture
def champion(home: Path) -> str:
    """The run whose winner is in service: a ridge that penalises so much that its errors are large."""
    snapshot = run(NOW - 10 * DAY)
    found, frame = recipe_of(snapshot)
    poor = PerHourRidgeRecipe(found.schema, np.full_like(found.alphas, 300.0))
    table = rolling_origin(poor, frame, moment(snapshot.select_start), moment(snapshot.end))
    candidate(snapshot, "per_hour_ridge", table, poor)
    assert judge_run(snapshot.run_id)["gate_passed"]
    promote(snapshot.run_id)
    return snapshot.run_id


def failures(board: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (gate["gate"], gate["slice"])
        for gate in board["gates"]
        if gate["passed"] is False and gate["severity"] == "critical"
    ]


def test_a_better_challenger_wins_and_a_planted_regression_of_one_zone_is_refused(
    champion: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="smartgrid")
    better = run(key="better")
    ridge, _ = recipe_of(better)
    candidate(better, "tpot", planted(better, {"A": 0.004, "B": 0.004, "C": 0.004}, 1), ridge)
    board = judge_run(better.run_id)
    assert board["gate_passed"], board["verdict"]
    assert "better than version 1 (per_hour_ridge)" in board["verdict"]
    assert board["champion"]["duel"]["refitted"]["outcome"] == "better"
    assert board["champion"]["duel"]["served"]["days"] == 10
    assert "gate no_zone_worse on zone:A: mape_percent" in caplog.text

    hidden = run(key="hidden")
    candidate(hidden, "tpot", planted(hidden, {"A": 0.08, "B": 0.002, "C": 0.002}, 1), ridge)
    board = judge_run(hidden.run_id)
    assert board["champion"]["duel"]["won"], board["champion"]["duel"]
    assert failures(board) == [("no_zone_worse", "zone:A")]
    assert not board["gate_passed"]
    assert "no_zone_worse (zone:A: mape_percent" in board["verdict"]
    with session() as transaction:
        row = transaction.get(TrainingRun, hidden.run_id)
    assert row is not None
    assert (row.gate_passed, row.verdict) == (False, board["verdict"])
    assert next(entry for entry in row.leaderboard if entry.get("winner"))["gates"] == board["gates"]


def test_an_equal_challenger_wins_only_if_it_is_cheaper(champion: str) -> None:
    boards = {}
    for name, cpu_s in (("same", 10.0), ("cheaper", 5.0)):
        snapshot = run(key=name)
        found, frame = recipe_of(snapshot)
        poor = PerHourRidgeRecipe(found.schema, np.full_like(found.alphas, 300.0))
        table = rolling_origin(poor, frame, moment(snapshot.select_start), moment(snapshot.end))
        candidate(snapshot, "per_hour_ridge", table, poor, cpu_s=cpu_s)
        boards[name] = judge_run(snapshot.run_id)
    for board in boards.values():
        assert board["champion"]["duel"]["refitted"]["outcome"] == "equal"
    served = boards["same"]["champion"]["duel"]["served"]["outcome"]
    assert boards["same"]["gate_passed"] is (served == "better")
    assert boards["cheaper"]["gate_passed"]


def test_a_champion_that_cannot_be_had_leaves_the_naive_forecasts_and_the_verdict_says_so(home: Path) -> None:
    promote("20200101-gone", version=7)
    snapshot = run()
    ridge, _ = recipe_of(snapshot)
    candidate(snapshot, "tpot", planted(snapshot, dict.fromkeys(ZONES, 0.01), 1), ridge)
    board = judge_run(snapshot.run_id)
    assert board["gate_passed"]
    assert board["champion"]["unavailable"] == "the folder of its run 20200101-gone is gone"
    assert "version 7" in board["verdict"]
    assert "only the naive forecasts count" in board["verdict"]


def test_a_champion_that_does_not_know_a_zone_is_compared_on_the_others(champion: str) -> None:
    rows = synthetic({"new": 900.0}, days=160).filter(pl.col("time") >= NOW - 100 * DAY)
    upsert_measurements(get_settings().lake_root, rows)
    snapshot = run(key="new zone")
    assert "new" in snapshot.zones
    ridge, _ = recipe_of(snapshot)
    candidate(snapshot, "tpot", planted(snapshot, dict.fromkeys(snapshot.zones, 0.004), 1), ridge)
    board = judge_run(snapshot.run_id)
    notes = {gate["slice"]: gate["note"] for gate in board["gates"] if gate["gate"] == "no_zone_worse"}
    assert notes["zone:new"] == "the champion does not know this zone"
    assert notes["zone:A"] == ""


def test_the_winner_is_chosen_on_the_selection_window_and_judged_on_the_test_window(home: Path) -> None:
    """A candidate that is bad while the winner is chosen does not win by being good later."""
    snapshot = run()
    ridge, _ = recipe_of(snapshot)
    early, late = planted(snapshot, dict.fromkeys(ZONES, 0.01), 1), planted(snapshot, dict.fromkeys(ZONES, 0.03), 2)
    first = pl.col("issue_time") < snapshot.backtest_start.astimezone(UTC)
    candidate(snapshot, "steady", pl.concat([early.filter(first), late.filter(~first)]), ridge)
    candidate(snapshot, "lucky", pl.concat([late.filter(first), early.filter(~first)]), ridge)
    candidate(snapshot, "crashed", early, ridge, failed="TrainerCrashed: boom")
    candidate(snapshot, "unfaithful", early, ridge, export={"largest_difference": 1e-3})
    board = judge_run(snapshot.run_id, ["steady", "absent"])
    assert (board["winner"], board["chosen_on"]) == ("steady", "selection_window")
    rows = {row["candidate"]: row for row in board["rows"]}
    assert rows["steady"]["selection_mape_percent"] < rows["lucky"]["selection_mape_percent"]
    assert rows["steady"]["mape_percent"] > rows["lucky"]["mape_percent"]
    assert rows["steady"]["size_mb"] == 1.0
    assert "with confidence" in rows["lucky"]["reason"]
    assert rows["crashed"]["reason"] == "TrainerCrashed: boom"
    assert "export differs by 0.001" in rows["unfaithful"]["reason"]
    assert "left no result" in rows["absent"]["failed"]
    assert judge_run(snapshot.run_id, ["steady", "absent"]) == board
    assert json.loads((folder(snapshot.run_id) / "leaderboard.json").read_text()) == board


def test_an_ensemble_that_wins_is_a_candidate_like_any_other(home: Path) -> None:
    import joblib

    snapshot = run()
    ridge, frame = recipe_of(snapshot)
    for seed, name in enumerate(("tpot", "h2o", "per_hour_ridge")):
        candidate(snapshot, name, planted(snapshot, dict.fromkeys(ZONES, 0.03), seed), ridge)
    board = judge_run(snapshot.run_id)
    assert board["winner"] == "ensemble"
    row = next(row for row in board["rows"] if row["candidate"] == "ensemble")
    assert set(row["members"]) == {"tpot", "h2o", "per_hour_ridge"}
    assert (row["size_mb"], row["cpu_s"]) == (pytest.approx(3.0), 30.0)
    place = candidate_folder(snapshot.run_id, "ensemble")
    assert isinstance(joblib.load(place / "recipe.joblib"), MeanRecipe)
    model = joblib.load(place / "model.joblib")
    X = frame.X[-50:]
    expected = sum(w * m.predict(X) for m, w in zip(model.members, model.weights, strict=True))
    np.testing.assert_allclose(model.predict(X), expected)
    assert pl.read_parquet(place / "backtest.parquet").height == len(snapshot.frame(snapshot.select_start))
    assert judge_run(snapshot.run_id) == board


def test_regimes_stand_side_by_side_and_quantiles_are_measured(home: Path) -> None:
    rows = synthetic(ZONES, days=160)
    day = rows["time"].dt.ordinal_day().to_numpy()
    surprise = np.random.default_rng(2).normal(0, 5, 400)[day]  # weather that no lag can tell
    rows = rows.with_columns(
        pl.col("temperature_c") + surprise, pl.col("load_kw") * pl.Series(1 + 0.02 * surprise, dtype=pl.Float64)
    )
    upsert_measurements(get_settings().lake_root, rows)
    wrong = np.random.default_rng(1).normal(0, 3, rows.height)
    forecasts = rows.with_columns(pl.lit("forecast").alias("kind"), pl.col("temperature_c") + wrong)
    upsert_weather(get_settings().lake_root, forecasts.select(*WEATHER_SCHEMA))
    snapshot = run(temperature="forecast")
    ridge, frame = recipe_of(snapshot)
    table = rolling_origin(ridge, frame, moment(snapshot.select_start), moment(snapshot.end))
    candidate(snapshot, "per_hour_ridge", table, ridge)
    board = judge_run(snapshot.run_id)
    mape = {row["temperature"]: row.get("mape_percent") for row in board["regimes"]}
    assert mape["actual"] < mape["forecast"] < mape["none"]
    forecast = next(row for row in board["regimes"] if row["temperature"] == "forecast")
    assert forecast["forecast_error_c"] == pytest.approx(3 * np.sqrt(2 / np.pi), abs=0.1)  # 3 degrees of noise
    assert 60 < board["quantiles"]["coverage_percent"] < 95
    residuals = residual_quantiles(snapshot.run_id)
    assert residuals is not None
    assert residuals.shape == (24, 3)
    with session() as transaction:
        assert transaction.get(BacktestScore, (snapshot.run_id, "per_hour_ridge", "A")) is not None


def test_a_constant_series_is_refused_without_a_crash(home: Path) -> None:
    upsert_measurements(get_settings().lake_root, synthetic({"flat": 1.0}, days=160).with_columns(load_kw=pl.lit(50.0)))
    snapshot = run()
    only = snapshot.model_copy(update={"zones": ["flat"]})
    (folder(snapshot.run_id) / "snapshot.json").write_text(only.model_dump_json())
    ridge, _ = recipe_of(only)
    frame = only.frame(only.select_start)
    candidate(only, "tpot", forecast_table(frame, frame.y_kw + 0.0), ridge)
    board = judge_run(only.run_id)
    assert not board["gate_passed"]
    assert ("beats_weekly_naive_mape", "system") in failures(board)


def test_zones_that_read_zero_stop_nothing(home: Path) -> None:
    """Always zero: nothing to scale by, so not in the run. Zero at night: no MAPE at night."""
    lake, rows = get_settings().lake_root, synthetic({"off": 50.0, "night": 50.0}, days=160)
    dark = (pl.col("zone") == "off") | (pl.col("time").dt.hour() < 8)
    upsert_measurements(lake, rows.with_columns(load_kw=pl.when(dark).then(0.0).otherwise("load_kw")))
    snapshot = run()
    assert snapshot.zones == ["A", "B", "C", "night"]
    ridge, _ = recipe_of(snapshot)
    candidate(snapshot, "tpot", planted(snapshot, dict.fromkeys(snapshot.zones, 0.01), 1), ridge)
    board = judge_run(snapshot.run_id)
    assert board["gate_passed"], board["verdict"]
    night = next(row for row in board["slices"] if row["slice"] == "zone:night")
    assert night["mape_percent"] == pytest.approx(100 * 0.01 * np.sqrt(2 / np.pi), rel=0.2)


def test_a_test_window_of_one_day_is_judged_without_an_interval(champion: str) -> None:
    snapshot = run(backtest_days=1)
    ridge, _ = recipe_of(snapshot)
    candidate(snapshot, "tpot", planted(snapshot, dict.fromkeys(ZONES, 0.001), 1), ridge)
    board = judge_run(snapshot.run_id)
    assert board["champion"]["duel"]["reason"].startswith("1 common days")
    assert failures(board) == [("beats_champion", "system")]


def test_a_run_without_forecasts_has_no_winner(home: Path) -> None:
    snapshot = run()
    ridge, _ = recipe_of(snapshot)
    with pytest.raises(NoCandidates):
        judge_run(snapshot.run_id, ["tpot"])
    silent = planted(snapshot, dict.fromkeys(ZONES, 0.0), 1).with_columns(pl.lit(float("nan")).alias("predicted_kw"))
    candidate(snapshot, "tpot", silent, ridge)
    with pytest.raises(NoCandidates, match="no forecast"):
        judge_run(snapshot.run_id)


def test_a_run_of_an_earlier_release_is_judged_on_its_test_window_alone(home: Path) -> None:
    snapshot = run()
    path = folder(snapshot.run_id) / "snapshot.json"
    content = json.loads(path.read_text())
    del content["select_start"]
    path.write_text(json.dumps(content))
    old = load_snapshot(snapshot.run_id)
    assert not old.has_selection_window
    ridge, _ = recipe_of(old)
    candidate(old, "tpot", planted(old, dict.fromkeys(ZONES, 0.01), 1), ridge)
    board = judge_run(old.run_id)
    assert (board["chosen_on"], board["quantiles"], board["winner"]) == ("test_window", None, "tpot")
    assert board["gate_passed"]


def test_the_selection_window_lies_between_training_and_test(home: Path) -> None:
    snapshot = run()
    assert snapshot.backtest_start - snapshot.select_start == 14 * DAY
    assert snapshot.end - snapshot.backtest_start == 21 * DAY
    assert run(key="none", selection_days=0).has_selection_window is False
    assert run(datetime(2024, 2, 20, tzinfo=UTC), days=30).has_selection_window is False  # too short to spare a week
