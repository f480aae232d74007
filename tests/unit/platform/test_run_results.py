from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from smartgrid import clock
from smartgrid.platform.pipeline_state import forecast_is_current, latest_forecast
from smartgrid.platform.results import read_results, results_table
from smartgrid.platform.run import verdict
from smartgrid.settings import Settings
from smartgrid.store import migrate, session
from smartgrid.store.models import BacktestScore, Forecast, Promotion, TrainingRun

ISSUED = datetime(2007, 12, 2, 5, tzinfo=UTC)
SCORES = {"per_hour_ridge": 4.0, "daily_naive": 9.0, "weekly_naive": 8.0}


def fill(settings: Settings, method: str = "stable_model", winner_mape: float = 4.0) -> None:
    migrate()
    clock.advance_to(ISSUED, settings)
    with session() as store:
        for zone, level_kw in (("Z2", 100.0), ("Z10", 300.0)):
            for hour in range(48):
                store.add(
                    Forecast(
                        zone=zone,
                        target_time=ISSUED + timedelta(hours=hour),
                        issue_time=ISSUED,
                        # The second day is far higher: it must not be in a table of 24 hours.
                        load_kw=level_kw + (hour if hour < 24 else 1000.0),
                        method=method,
                        model_version=3,
                        temperature="actual",
                        data_sha256="0" * 64,
                        created_at=ISSUED,
                    )
                )
        store.add(
            TrainingRun(
                run_id="r1",
                started_at=ISSUED,
                window_start=ISSUED - timedelta(days=400),
                window_end=ISSUED,
                data_sha256="0" * 64,
                temperature="actual",
                winner="per_hour_ridge",
                gate_passed=True,
                mlflow_version=3,
            )
        )
        for candidate, mape in (SCORES | {"per_hour_ridge": winner_mape}).items():
            store.add(
                BacktestScore(run_id="r1", candidate=candidate, zone="SYSTEM", mape_percent=mape, rows=1000),
            )
        store.add(
            Promotion(
                decided_at=ISSUED,
                model_name=settings.model_name,
                version=3,
                action="promote",
                decided_by="test",
                reason="",
                run_id="r1",
            )
        )


def shown(settings: Settings) -> str:
    results = read_results(settings)
    assert results is not None
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(results_table(results, settings.grid_timezone))
    console.print(verdict(results), highlight=False)
    return console.export_text()


def test_the_table_sums_the_next_day_of_the_system(home_settings: Settings) -> None:
    fill(home_settings)
    results = read_results(home_settings)
    assert results is not None
    assert [zone.zone for zone in results.zones] == ["SYSTEM", "Z2", "Z10"]
    system = results.zones[0]
    assert system.mean_kw == pytest.approx(400 + 2 * 11.5)
    assert system.peak_kw == pytest.approx(446)
    text = shown(home_settings)
    assert "stable_model v3" in text
    assert "beats both naive forecasts" in text


def test_a_model_that_does_not_beat_a_naive_forecast_is_not_praised(home_settings: Settings) -> None:
    fill(home_settings, winner_mape=8.5)
    assert "does NOT beat both naive forecasts" in shown(home_settings)


def test_a_fallback_forecast_is_not_taken_for_the_model(home_settings: Settings) -> None:
    fill(home_settings, method="weekly_naive")
    assert "it fell back" in shown(home_settings)
    assert not forecast_is_current(home_settings, latest_forecast())


def test_a_forecast_is_current_until_data_time_moves_on(home_settings: Settings) -> None:
    fill(home_settings)
    assert forecast_is_current(home_settings, latest_forecast())
    clock.advance_to(ISSUED + timedelta(days=1), home_settings)
    assert not forecast_is_current(home_settings, latest_forecast())


def test_before_the_first_forecast_there_are_no_results(home_settings: Settings) -> None:
    migrate()
    assert read_results(home_settings) is None
