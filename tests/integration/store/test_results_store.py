"""The results store behaves the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.engine import engine, engine_for
from smartgrid.store.models import Base, Batch
from smartgrid.store.reporting_views import drop_views

NOON = datetime(2024, 3, 31, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A migrated, empty store."""
    dsn = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        dsn = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    monkeypatch.setenv("SMARTGRID_STORE_URL", dsn)
    get_settings.cache_clear()
    migrate()
    yield dsn
    with engine().begin() as connection:
        drop_views(connection)
    Base.metadata.drop_all(engine())
    with engine().begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine().dispose()
    engine_for.cache_clear()
    get_settings.cache_clear()


def a_batch(batch_id: str) -> Batch:
    return Batch(
        batch_id=batch_id,
        source="test",
        window_start=NOON,
        window_end=NOON + timedelta(hours=1),
        uri="x",
        sha256="0",
        rows=1,
        ingested_at=NOON,
    )


def test_migrations_make_exactly_what_the_models_say(store: str) -> None:
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(store: str) -> None:
    assert migrate() == migrate()


def test_times_come_back_as_the_same_instant_in_utc(store: str) -> None:
    berlin = timezone(timedelta(hours=2))
    with session() as transaction:
        batch = a_batch("b")
        batch.ingested_at = NOON.astimezone(berlin)
        transaction.add(batch)
    with session() as transaction:
        found = transaction.scalar(select(Batch.ingested_at))
    assert found == NOON
    assert found.utcoffset() == timedelta(0)


def test_a_time_without_zone_is_refused(store: str) -> None:
    batch = a_batch("b")
    batch.ingested_at = datetime(2024, 1, 1)
    with pytest.raises(StatementError, match="timezone-aware"), session() as transaction:
        transaction.add(batch)


def test_an_error_in_a_transaction_leaves_nothing_behind(store: str) -> None:
    def fail() -> None:
        with session() as transaction:
            transaction.add(a_batch("kept?"))
            transaction.flush()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    with session() as transaction:
        assert transaction.scalars(select(Batch)).all() == []
