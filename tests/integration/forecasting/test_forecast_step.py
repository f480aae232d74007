"""From data on the lake to a forecast in the store, through a real model server; and what happens without one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import joblib
import polars as pl
import pytest
from serving_process import MODEL, ServerProcess
from sqlalchemy import func, select
from synthetic_load import synthetic

from smartgrid import clock
from smartgrid.automl import steps as automl
from smartgrid.automl.quantiles import residual_quantiles
from smartgrid.automl.run_folder import folder, load_snapshot
from smartgrid.errors import NothingToDo
from smartgrid.forecasting import steps as forecasting
from smartgrid.lake import upsert_measurements
from smartgrid.savedmodel import export
from smartgrid.serving.model_repository import publish
from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import BacktestScore, Forecast, Promotion, TrainingRun

NOW = datetime(2024, 4, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """120 days of two zones on a lake, and the clock at their end."""
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTGRID_HOME", str(place))
        patch.setenv("SMARTGRID_TIMEZONE", "UTC")
        patch.setattr(forecasting, "SERVER_TIMEOUT_S", 2.0)
        get_settings.cache_clear()
        migrate()
        rows = synthetic({"A": 100.0, "B": 40_000.0}, days=121)
        upsert_measurements(get_settings().lake_root, rows.filter(pl.col("time") < NOW))
        clock.advance_to(NOW)
        yield place
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def run_id(home: Path) -> str:
    """A judged training run."""
    run = automl.snapshot(backtest_days=14)
    automl.train(run["run_id"], "per_hour_ridge")
    automl.judge(run["run_id"])
    return str(run["run_id"])


@pytest.fixture(scope="module")
def server(home: Path, run_id: str) -> Iterator[ServerProcess]:
    """The winner of the run, exported, published and promoted as version 3."""
    settings = get_settings()
    model = joblib.load(folder(run_id) / "candidates" / "per_hour_ridge" / "model.joblib")
    rows = load_snapshot(run_id).frame().X
    export(model, folder(run_id) / "saved_model", rows, count=500, residual_quantiles=residual_quantiles(run_id))
    publish(folder(run_id) / "saved_model", settings.model_base_path, 3)
    with session() as transaction:
        transaction.add(
            Promotion(decided_at=NOW, model_name=MODEL, version=3, action="promote", decided_by="test", reason="first")
        )
    process = ServerProcess(
        home / "server.log", f"--model_name={MODEL}", f"--model_base_path={settings.model_base_path}"
    ).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTGRID_SERVING_GRPC_TARGET", process.grpc_target)
        get_settings.cache_clear()
        yield process
    process.stop()
    get_settings.cache_clear()


def stored(issue_time: datetime) -> list[Forecast]:
    with session() as transaction:
        return list(transaction.scalars(select(Forecast).where(Forecast.issue_time == issue_time)))


def test_without_any_model_the_weekly_naive_answers_and_says_why(home: Path) -> None:
    result = forecasting.forecast()
    assert result["methods"] == {"weekly_naive": 48}
    rows = stored(NOW)
    assert {row.reason for row in rows} == {"no model has been promoted yet"}
    assert {(row.load_kw_q10, row.load_kw_q90) for row in rows} == {(None, None)}
    past = synthetic({"A": 100.0}, days=121)
    loads = dict(past.select("time", "load_kw").iter_rows())
    own = next(row for row in rows if row.zone == "A" and row.target_time == NOW + timedelta(hours=5))
    assert own.load_kw == pytest.approx(loads[NOW + timedelta(hours=5) - timedelta(days=7)])


def test_the_winner_beats_both_naive_forecasts_and_the_verdict_is_stored(run_id: str) -> None:
    with session() as transaction:
        run = transaction.get(TrainingRun, run_id)
        candidates = set(transaction.scalars(select(BacktestScore.candidate).where(BacktestScore.zone == "SYSTEM")))
    assert run is not None
    assert (run.winner, run.gate_passed) == ("per_hour_ridge", True)
    assert candidates == {"per_hour_ridge", "daily_naive", "weekly_naive"}
    assert run.leaderboard[0]["candidate"] == "per_hour_ridge"


def test_judging_twice_changes_nothing(run_id: str) -> None:
    first = json.loads((folder(run_id) / "leaderboard.json").read_text())
    automl.judge(run_id)
    assert json.loads((folder(run_id) / "leaderboard.json").read_text()) == first
    with session() as transaction:
        assert transaction.scalar(select(func.count()).select_from(TrainingRun)) == 1


def test_the_same_data_and_key_give_the_same_run(run_id: str) -> None:
    assert automl.snapshot(backtest_days=14)["run_id"] == run_id
    assert automl.snapshot(backtest_days=14, key="again")["run_id"] != run_id


def test_a_trainer_that_cannot_work_loses_with_its_reason(run_id: str) -> None:
    outcome = automl.train(run_id, "tpot", budget_s=1)
    assert "BudgetTooSmall" in outcome["failed"]
    board = automl.judge(run_id)["leaderboard"]
    assert board[-1]["candidate"] == "tpot"
    assert "BudgetTooSmall" in board[-1]["failed"]


def test_the_promoted_model_answers_for_every_zone_and_hour(server: ServerProcess, run_id: str) -> None:
    result = forecasting.forecast()
    assert result["methods"] == {"stable_model": 48}
    rows = stored(NOW)
    assert {(row.model_version, row.reason) for row in rows} == {(3, "")}
    model = joblib.load(folder(run_id) / "candidates" / "per_hour_ridge" / "model.joblib")
    truth = synthetic({"A": 100.0, "B": 40_000.0}, days=121)
    actual = {(zone, time): load for zone, time, load in truth.select("zone", "time", "load_kw").iter_rows()}
    assert model.schema.temperature == "none"
    errors = [abs(row.load_kw / actual[row.zone, row.target_time] - 1) for row in rows]
    assert sum(errors) / len(errors) < 0.05
    bands = [(row.load_kw_q10, actual[row.zone, row.target_time], row.load_kw_q90) for row in rows]
    assert all(low is not None and high is not None and low < high for low, _, high in bands)
    assert sum(bool(low <= load <= high) for low, load, high in bands) / len(bands) > 0.5, "80 % where nothing changes"


def test_forecasting_again_replaces_the_rows_of_that_issue_time(server: ServerProcess) -> None:
    forecasting.forecast()
    forecasting.forecast()
    assert len(stored(NOW)) == 48


def test_a_dead_model_server_leaves_a_naive_forecast_with_the_reason(server: ServerProcess) -> None:
    server.kill()
    try:
        result = forecasting.forecast()
        assert result["methods"] == {"weekly_naive": 48}
        assert all("version 3" in row.reason for row in stored(NOW))
    finally:
        server.start()
    assert forecasting.forecast()["methods"] == {"stable_model": 48}


def test_a_version_that_the_server_lost_falls_back_to_the_one_before(server: ServerProcess, run_id: str) -> None:
    settings = get_settings()
    publish(folder(run_id) / "saved_model", settings.model_base_path, 2)
    broken = settings.model_base_path / "9"
    (broken / "assets.extra").mkdir(parents=True)
    schema = (settings.model_base_path / "3" / "assets.extra" / "feature_schema.json").read_bytes()
    (broken / "assets.extra" / "feature_schema.json").write_bytes(schema)
    with session() as transaction:
        transaction.add(
            Promotion(decided_at=NOW, model_name=MODEL, version=9, action="promote", decided_by="test", reason="bad")
        )
    result = forecasting.forecast()
    assert result["methods"] == {"previous_version": 48}
    assert {row.model_version for row in stored(NOW)} == {3}
    assert all("version 9" in row.reason for row in stored(NOW))


def test_a_zone_without_recent_readings_is_left_out(home: Path) -> None:
    old = synthetic({"closed": 10.0}, days=30)
    upsert_measurements(get_settings().lake_root, old)
    forecasting.forecast()
    assert Counter(row.zone for row in stored(NOW)) == {"A": 24, "B": 24}


def test_no_recent_data_at_all_is_nothing_to_do(home: Path) -> None:
    with pytest.raises(NothingToDo):
        forecasting.forecast(issue_time="2030-01-01T00:00:00+00:00")
