"""What ingest needs from a source of measurements, and the choice of one by the settings."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from smartgrid.errors import SmartGridError
from smartgrid.ingest.plausible_end import plausible_end
from smartgrid.lake.window import Window
from smartgrid.settings import Settings

# Marks rows that should have come with an earlier ingest: new or changed since then.
LATE = "late"


class NoReadableTimes(SmartGridError):
    """A source has rows, but not one time that can be read; `examples` are what stands there."""

    exit_code = 2

    def __init__(self, source: str, examples: list[str]) -> None:
        self.source, self.examples = source, examples
        shown = ", ".join(repr(example) for example in examples) or "nothing"
        super().__init__(
            f"{source}: no time could be read; the time column holds {shown}. "
            "Set source.time_format, or source.columns.time to another column."
        )


class EmptySource(SmartGridError):
    """A source has no rows at all."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"{source}: no rows. Check [source] of the settings; `smartgrid config show` prints it.")


class Source(Protocol):
    """Measurements of any origin, in the columns of the landing schema."""

    @property
    def name(self) -> str:
        """Identity in the results store, at most 64 characters: the same data have the same name."""

    def span(self) -> Window:
        """From the first reading to the end of the last interval.

        Raises:
            EmptySource, NoReadableTimes
        """

    def read(self, window: Window) -> pl.DataFrame:
        """Rows of ANCHORED_SCHEMA with the column LATE, in the order of the source: every row whose anchor lies in
        the window, and late rows from before it."""

    def remember(self, frontier: datetime) -> None:
        """Called after a batch was landed: what was read counts as seen up to `frontier`."""


def identity(kind: str, *parts: str) -> str:
    """Name of a source: its kind and a digest of where it is."""
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def span_of(rows: pl.DataFrame, interval: timedelta, source: str) -> Window:
    """Window of the rows that have a time.

    Raises:
        EmptySource, NoReadableTimes
    """
    if rows.is_empty():
        raise EmptySource(source)
    first, last = rows["time"].min(), plausible_end(rows["time"])
    if first is None or last is None:
        raise NoReadableTimes(source, rows["raw_time"].drop_nulls().head(3).to_list())
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return Window(first, last + interval)


def open_source(settings: Settings) -> Source:
    """The source that the settings name."""
    kind = settings.source.kind
    if kind == "gefcom2012":
        from smartgrid.ingest.gefcom2012 import Gefcom2012

        return Gefcom2012(settings)
    if kind == "bigdeal2022":
        from smartgrid.ingest.bigdeal2022 import BigDeal2022

        return BigDeal2022(settings)
    if kind == "sql":
        from smartgrid.ingest.sql_source import SqlSource

        return SqlSource(settings)
    if kind == "http":
        from smartgrid.ingest.http_source import HttpSource

        return HttpSource(settings)
    from smartgrid.ingest.files_source import FilesSource

    return FilesSource(settings)
