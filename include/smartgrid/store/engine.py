"""Engine, sessions and migrations of the results store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.orm import Session

from smartgrid.settings import get_settings

MIGRATIONS = Path(__file__).parent / "migrations"


@lru_cache(maxsize=8)
def engine_for(dsn: str) -> Engine:
    """The engine of this process for `dsn`; SQLite in WAL mode, so that readers never block the writer."""
    url = make_url(dsn)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_pre_ping=True)
    if url.get_backend_name() == "sqlite":

        @event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout=30000")
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

    return engine


def engine() -> Engine:
    return engine_for(get_settings().store_dsn)


@contextmanager
def session() -> Iterator[Session]:
    """One transaction: committed at the end of the block, rolled back on an error."""
    with Session(engine(), expire_on_commit=False) as open_session, open_session.begin():
        yield open_session


def migrate() -> str:
    """Bring the store and the views for reports to the newest schema; return its revision. Safe to repeat."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from smartgrid.store.reporting_views import create_views, drop_views, views_are_current

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine().begin() as connection:
        config.attributes["connection"] = connection
        head = ScriptDirectory.from_config(config).get_current_head() or ""
        is_current = MigrationContext.configure(connection).get_current_revision() == head
        # Whoever reads a view holds up its change, so nothing is touched without need.
        if not (is_current and views_are_current(connection)):
            drop_views(connection)
            command.upgrade(config, "head")
            create_views(connection)
    return head
