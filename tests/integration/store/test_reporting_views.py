"""Reports read views whose names and columns stay, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from smartgrid.settings import PROJECT_ROOT, get_settings
from smartgrid.store import migrate, session
from smartgrid.store.engine import engine, engine_for
from smartgrid.store.mining_tables import MiningCluster, MiningRun, MiningZone
from smartgrid.store.models import BacktestScore, Base, Batch, Forecast, Promotion, TrainingRun
from smartgrid.store.reporting_tables import MeasuredLoad, keep_recent_loads
from smartgrid.store.reporting_views import (
    VIEWS,
    create_views,
    drop_views,
    qualified,
    views_are_current,
    views_markdown,
)

MIDNIGHT = datetime(2024, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    dsn = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        dsn = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    monkeypatch.setenv("SMARTGRID_STORE_URL", dsn)
    get_settings.cache_clear()
    migrate()
    yield request.param
    with engine().begin() as connection:
        drop_views(connection)
    Base.metadata.drop_all(engine())
    with engine().begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine().dispose()
    engine_for.cache_clear()
    get_settings.cache_clear()


def rows_of(name: str, dialect: str) -> list[dict[str, Any]]:
    (view,) = [view for view in VIEWS if view.name == name]
    with engine().connect() as connection:
        query = f"SELECT * FROM {qualified(view, dialect)} ORDER BY {', '.join(view.key)}"
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def forecast(zone: str, hour: int, load_kw: float, issued: datetime = MIDNIGHT) -> Forecast:
    return Forecast(
        zone=zone,
        target_time=MIDNIGHT + hour * HOUR,
        issue_time=issued,
        load_kw=load_kw,
        method="stable_model",
        model_version=3,
        temperature="actual",
        data_sha256="0",
        created_at=MIDNIGHT,
    )


def measure(zone: str, hour: int, load_kw: float) -> dict[str, Any]:
    return {"zone": zone, "time": MIDNIGHT + hour * HOUR, "load_kw": load_kw, "temperature_c": 20.0}


def test_every_view_has_the_columns_that_are_documented(store: str) -> None:
    found = inspect(engine())
    for view in VIEWS:
        name, schema = (view.name, "reporting") if store == "postgresql" else (qualified(view, store), None)
        assert [column["name"] for column in found.get_columns(name, schema=schema)] == [c.name for c in view.columns]
        assert rows_of(view.name, store) == []


def test_the_newest_forecast_of_an_hour_is_compared_with_its_measurement(store: str) -> None:
    with session() as transaction:
        transaction.add_all(
            [forecast("Z1", 0, 90.0, MIDNIGHT - HOUR), forecast("Z1", 0, 110.0), forecast("Z1", 1, 50.0)]
        )
        keep_recent_loads(transaction, [measure("Z1", 0, 100.0)], MIDNIGHT, days=100)
    first, second = rows_of("forecast_vs_measurement", store)
    assert (first["forecast_kw"], first["measured_kw"], first["error_kw"]) == (110.0, 100.0, 10.0)
    assert first["absolute_percent_error"] == pytest.approx(10.0)
    assert (second["forecast_kw"], second["measured_kw"], second["error_kw"]) == (50.0, None, None)


def test_daily_errors_count_only_hours_that_are_measured(store: str) -> None:
    with session() as transaction:
        transaction.add_all([forecast("Z1", hour, 110.0) for hour in range(30)])
        keep_recent_loads(transaction, [measure("Z1", hour, 100.0) for hour in range(26)], MIDNIGHT + 26 * HOUR, 100)
    first, second = rows_of("zone_error_daily", store)
    assert str(first["day"]) == "2024-06-01"
    assert (first["hours"], second["hours"]) == (24, 2)
    assert first["mape_percent"] == pytest.approx(10.0)
    assert first["bias_kw"] == pytest.approx(10.0)


def test_a_promotion_stands_beside_the_score_of_its_training(store: str) -> None:
    with session() as transaction:
        transaction.add(
            TrainingRun(
                run_id="r",
                started_at=MIDNIGHT,
                window_start=MIDNIGHT,
                window_end=MIDNIGHT + HOUR,
                data_sha256="0",
                temperature="actual",
                winner="ridge",
            )
        )
        transaction.add(BacktestScore(run_id="r", candidate="ridge", zone="SYSTEM", mape_percent=2.1, mase=0.2, rows=1))
        transaction.add(BacktestScore(run_id="r", candidate="other", zone="SYSTEM", mape_percent=9.0, mase=0.9, rows=1))
        for version, run in ((1, "r"), (2, None)):
            transaction.add(
                Promotion(
                    decided_at=MIDNIGHT,
                    model_name="m",
                    version=version,
                    action="promote",
                    decided_by="x",
                    reason="y",
                    run_id=run,
                )
            )
    first, second = rows_of("model_versions", store)
    assert (first["trainer"], first["mape_percent"]) == ("ridge", 2.1)
    assert (second["model_version"], second["trainer"]) == (2, None)


def test_shares_of_rejected_rows_are_percent(store: str) -> None:
    with session() as transaction:
        transaction.add(
            Batch(
                batch_id="b",
                source="s",
                window_start=MIDNIGHT,
                window_end=MIDNIGHT + HOUR,
                uri="u",
                sha256="0",
                rows=200,
                ingested_at=MIDNIGHT,
                status="validated",
                accepted_rows=190,
                rejected_rows=10,
            )
        )
    (row,) = rows_of("data_quality", store)
    assert row["rejected_percent"] == pytest.approx(5.0)


def test_clusters_are_those_of_the_newest_run(store: str) -> None:
    with session() as transaction:
        for number in (1, 2):
            run = f"run{number}"
            transaction.add(
                MiningRun(
                    run_id=run,
                    kind="load_patterns",
                    created_at=MIDNIGHT,
                    window_start=MIDNIGHT,
                    window_end=MIDNIGHT + number * HOUR,
                    data_uri="u",
                    data_sha256="0",
                    data_rows=1,
                    parameters={},
                    series="s",
                    summary={},
                    changes={},
                )
            )
            transaction.flush()
            transaction.add(
                MiningCluster(
                    run_id=run,
                    cluster="A",
                    name=f"evening peak {number}",
                    size=7,
                    matched=True,
                    shape=[],
                    shape_low=[],
                    shape_high=[],
                    centroid_kw=[],
                )
            )
            transaction.add(MiningZone(run_id=run, zone="Z1", cluster="A", recent_shares={}, shares={}, eps=0.1))
    (row,) = rows_of("load_clusters", store)
    assert (row["zone"], row["cluster_name"], row["cluster_zone_days"]) == ("Z1", "evening peak 2", 7)


def test_corrections_replace_readings_and_old_ones_go(store: str) -> None:
    with session() as transaction:
        keep_recent_loads(transaction, [measure("Z1", 0, 100.0), measure("Z1", 30, 5.0)], MIDNIGHT + 30 * HOUR, days=2)
    with session() as transaction:
        keep_recent_loads(transaction, [measure("Z1", 30, 6.0), measure("Z1", 72, 7.0)], MIDNIGHT + 72 * HOUR, days=2)
    with session() as transaction:
        kept = {row.time: row.load_kw for row in transaction.query(MeasuredLoad)}
    assert kept == {MIDNIGHT + 30 * HOUR: 6.0, MIDNIGHT + 72 * HOUR: 7.0}


def test_views_that_were_changed_or_lost_are_made_anew_and_others_left_alone(store: str) -> None:
    with engine().begin() as connection:
        assert views_are_current(connection)
        drop_views(connection)
        assert not views_are_current(connection)
    migrate()
    with engine().begin() as connection:
        assert views_are_current(connection)
        drop_views(connection)
        create_views(connection)
        assert views_are_current(connection)


def test_the_documentation_of_views_is_generated_from_their_definition() -> None:
    assert (PROJECT_ROOT / "docs" / "reporting.md").read_text(encoding="utf-8").endswith(views_markdown())
