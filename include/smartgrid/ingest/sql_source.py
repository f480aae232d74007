"""Measurements in any database that SQLAlchemy speaks to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from smartgrid.errors import ConfigurationError, SmartGridError
from smartgrid.ingest.mapping import map_columns
from smartgrid.ingest.queried_source import QueriedSource
from smartgrid.ingest.source import identity
from smartgrid.ingest.times import parse_times
from smartgrid.ingest.typed_column import typed_column
from smartgrid.lake.window import Window
from smartgrid.settings import Settings

_EVERYTHING = Window(datetime(1900, 1, 2, tzinfo=UTC), datetime(2199, 12, 30, tzinfo=UTC))
# Bounds given to the database are a day wider: it may compare local times or texts with them. The exact cut is ours.
_MARGIN = timedelta(days=1)


class SqlSourceError(SmartGridError):
    """The database refused the connection or the query; `database` is its address without the password."""

    def __init__(self, database: str, problem: str) -> None:
        self.database, self.problem = database, problem
        super().__init__(f"{database}: {problem}. Check source.url and source.query.")


class SqlSource(QueriedSource):
    """Runs `source.query`; `:start` and `:end` in it are the window in UTC."""

    def __init__(self, settings: Settings) -> None:
        source = settings.source
        problems = [
            f"source.{name}: is needed where source.kind is sql"
            for name in ("url", "query")
            if not getattr(source, name)
        ]
        if problems or source.url is None or source.query is None:
            raise ConfigurationError(problems)
        try:
            url = make_url(source.url.get_secret_value())
        except ArgumentError:
            raise ConfigurationError(["source.url: is no SQLAlchemy URL such as postgresql://user@host/base"]) from None
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self._url, self._query = url, source.query.strip().rstrip(";")
        self._database = url.render_as_string(hide_password=True)
        # Without the password: a new one does not make it another source.
        place = url.set(password=None, query={}).render_as_string()
        super().__init__(settings, identity("sql", place, self._query), "sql")

    def fetch(self, window: Window) -> pl.DataFrame:
        return self._run(self._query, window)

    def span(self) -> Window:
        # The database finds the ends; only where its order of times may not be ours is everything read.
        # S608: the query is the operator's own.
        nothing = f"SELECT * FROM ({self._query}) AS readings WHERE 1 = 0"  # noqa: S608
        columns = self._run(nothing, _EVERYTHING).columns
        time = map_columns(columns, self._source, self._source_ref).time
        quoted = '"' + time.replace('"', '""') + '"' if self._url.get_backend_name() != "mysql" else f"`{time}`"
        first_last = f"SELECT MIN({quoted}) AS a, MAX({quoted}) AS b FROM ({self._query}) AS readings"  # noqa: S608
        ends = self._run(first_last, _EVERYTHING)
        both = [parse_times(ends[name], self._timezone)[0][0] for name in ("a", "b")]
        if self._source.time_format is None and isinstance(both[0], datetime) and isinstance(both[1], datetime):
            shift = self._interval if self._source.time_is_interval_end else timedelta(0)
            return Window(both[0] - shift, both[1] - shift + self._interval)
        return self._span_of_everything(_EVERYTHING)

    def _run(self, query: str, window: Window) -> pl.DataFrame:
        try:
            engine = create_engine(self._url)
        except (SQLAlchemyError, ImportError) as error:
            raise SqlSourceError(self._database, self._first_line(error)) from None
        try:
            with engine.connect() as connection:
                return self._answer(connection, query, window)
        except (SQLAlchemyError, NoSuchModuleError) as error:
            raise SqlSourceError(self._database, self._first_line(error)) from None
        finally:
            engine.dispose()

    def _answer(self, connection: Connection, query: str, window: Window) -> pl.DataFrame:
        if connection.dialect.name == "postgresql":
            # Local times are not at the mercy of the server's zone, and a query cannot change anything.
            connection = connection.execution_options(postgresql_readonly=True)
            connection.execute(text("SET TIME ZONE 'UTC'"))
        statement = text(query)
        bounds = {"start": window.start - _MARGIN, "end": window.end + _MARGIN}
        names = statement.compile().params.keys()
        given: dict[str, Any] = {name: self._bound(moment) for name, moment in bounds.items() if name in names}
        result = connection.execute(statement, given)
        columns = list(result.keys())
        rows = result.fetchall()
        return pl.DataFrame([typed_column(name, [row[i] for row in rows]) for i, name in enumerate(columns)])

    def _bound(self, moment: datetime) -> datetime | str:
        """SQLite has no times, only texts; these compare with the usual ISO texts."""
        return f"{moment:%Y-%m-%d %H:%M:%S}" if self._url.get_backend_name() == "sqlite" else moment

    def _first_line(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        password = self._url.password
        return line.replace(str(password), "***") if password else line
