"""SQL sources on real databases: SQLite always, PostgreSQL where its programs are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import create_engine, text

from smartgrid.errors import ConfigurationError, NothingToDo
from smartgrid.ingest.sql_source import SqlSource, SqlSourceError
from smartgrid.ingest.steps import ingest, plan
from smartgrid.lake import DatasetRef, Window, read_parquet
from smartgrid.settings import Settings

Configure = Callable[..., Settings]
START = datetime(2024, 1, 1, tzinfo=UTC)
QUERY = "SELECT ts, meter, kwh FROM readings WHERE ts >= :start AND ts < :end ORDER BY ts, meter;"
SOURCE = {"kind": "sql", "query": QUERY, "columns": {"time": "ts", "zone": "meter", "load": "kwh"}}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'meters.db'}"
    else:
        address: str = request.getfixturevalue("postgres_url")
        yield address


def _fill(url: str, hours: int, kind: str = "TIMESTAMP WITH TIME ZONE") -> None:
    sqlite = url.startswith("sqlite")
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS readings"))
        connection.execute(text(f"CREATE TABLE readings (ts {'TEXT' if sqlite else kind}, meter TEXT, kwh NUMERIC)"))
        rows = [
            {"ts": moment.strftime("%Y-%m-%dT%H:%M:%SZ") if sqlite else moment, "meter": meter, "kwh": n + 0.5}
            for n in range(hours)
            for meter in ("M1", "M2")
            for moment in [START + timedelta(hours=n)]
        ]
        connection.execute(text("INSERT INTO readings VALUES (:ts, :meter, :kwh)"), rows)
    engine.dispose()


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_database_is_replayed_window_by_window_without_loss(url: str, configure: Configure) -> None:
    _fill(url, hours=75)
    configure(source={**SOURCE, "url": url}, replay_start="2024-01-02T00:00:00+00:00")
    landed = []
    for _ in range(4):
        result = ingest(**plan())
        landed.append(read_parquet(DatasetRef.model_validate(result["dataset"])))
        assert result["late_rows"] == 0
    assert [rows.height for rows in landed] == [48, 48, 48, 6]
    everything = pl.concat(landed)
    assert everything.select("zone", "time").is_unique().all()
    assert everything["load_kw"].sum() == pytest.approx(2 * sum(n + 0.5 for n in range(75)))
    with pytest.raises(NothingToDo):
        plan()


def test_delayed_and_corrected_rows_are_picked_up_once(url: str, configure: Configure) -> None:
    _fill(url, hours=75)
    configure(source={**SOURCE, "url": url}, replay_start="2024-01-02T00:00:00+00:00")
    ingest(**plan())
    _execute(url, "UPDATE readings SET kwh = 500 WHERE meter = 'M1' AND kwh = 20.5")
    window = plan()
    first, again = ingest(**window), ingest(**window)
    assert first == again
    assert first["late_rows"] == 1
    rows = read_parquet(DatasetRef.model_validate(first["dataset"])).filter(pl.col("load_kw") == 500)
    assert rows["available_at"].to_list() == [START + timedelta(days=2)]
    assert ingest(**plan())["late_rows"] == 0


def test_naive_local_times_of_a_database_are_not_cut_off(postgres_url: str, configure: Configure) -> None:
    _fill(postgres_url, hours=48, kind="TIMESTAMP")
    source = {**SOURCE, "url": postgres_url, "timezone": "America/New_York"}
    read = SqlSource(configure(source=source)).read(Window("2024-01-01T05:00:00+00:00", "2024-01-03T05:00:00+00:00"))
    assert read.height == 96


def test_query_cannot_change_the_database(postgres_url: str, configure: Configure) -> None:
    _fill(postgres_url, hours=1)
    query = "WITH gone AS (DELETE FROM readings RETURNING *) SELECT * FROM gone"
    source = SqlSource(configure(source={**SOURCE, "url": postgres_url, "query": query}))
    with pytest.raises(SqlSourceError, match="read-only"):
        source.read(Window("2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00"))


def test_errors_name_the_database_without_its_password(configure: Configure) -> None:
    url = "postgresql://grid:s3cret@127.0.0.1:1/none"
    source = SqlSource(configure(source={**SOURCE, "url": url}))
    with pytest.raises(SqlSourceError) as caught:
        source.span()
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_missing_url_or_query_is_a_configuration_error(configure: Configure) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.query"):
        SqlSource(configure(source={"kind": "sql", "url": "sqlite://"}))
    with pytest.raises(ConfigurationError, match="SQLAlchemy URL"):
        SqlSource(configure(source={**SOURCE, "url": "nonsense"}))
