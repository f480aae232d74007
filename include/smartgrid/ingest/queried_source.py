"""What sources that are asked for a window (a database, an HTTP endpoint) share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta

import polars as pl

from smartgrid.ingest.batch import first_window_start, landed_rows
from smartgrid.ingest.landing import ANCHOR, SOURCE_SCHEMA, empty_rows, with_anchor
from smartgrid.ingest.normalise import normalise
from smartgrid.ingest.source import LATE, span_of
from smartgrid.lake.window import Window
from smartgrid.settings import Settings

# A late row carries another `available_at` in its batch than in the source.
_CONTENT = [name for name in SOURCE_SCHEMA if name not in ("source_ref", "available_at")]


class QueriedSource(ABC):
    """Late and corrected readings: the last `source.lookback_h` hours are asked for again with every window, and what
    no earlier batch holds is late."""

    def __init__(self, settings: Settings, name: str, source_ref: str) -> None:
        self._source, self._timezone = settings.source, settings.source_timezone
        self._interval = timedelta(minutes=settings.source.interval_minutes)
        self._name, self._source_ref = name, source_ref

    @property
    def name(self) -> str:
        return self._name

    @abstractmethod
    def fetch(self, window: Window) -> pl.DataFrame:
        """The table that answers for `window`; may hold more."""

    @abstractmethod
    def span(self) -> Window:
        """See Source."""

    def read(self, window: Window) -> pl.DataFrame:
        start = self._lookback_start(window.start)
        rows = self._rows(Window(start, window.end))
        rows = rows.filter((pl.col(ANCHOR) >= start) & (pl.col(ANCHOR) < window.end)).with_row_index("row")
        before = rows.filter(pl.col(ANCHOR) < window.start)
        if not before.is_empty():
            landed = landed_rows(self.name, start)
            if landed is not None:
                before = before.join(landed.select(_CONTENT), on=_CONTENT, how="anti", nulls_equal=True)
        late = pl.col("row").is_in(before["row"].implode())
        return rows.with_columns(late.alias(LATE)).filter((pl.col(ANCHOR) >= window.start) | pl.col(LATE)).drop("row")

    def remember(self, frontier: datetime) -> None:  # noqa: B027 - the batches in the lake are the memory
        """See Source."""

    def _lookback_start(self, start: datetime) -> datetime:
        """Never before the first window: what lies there was not asked for."""
        first = first_window_start(self.name)
        if first is None or first >= start:
            return start
        return max(first, start - timedelta(hours=self._source.lookback_h))

    def _rows(self, window: Window) -> pl.DataFrame:
        table = self.fetch(window)
        if not table.columns or table.is_empty():
            return empty_rows()
        return with_anchor(normalise(table, self._source, self._timezone, self._source_ref), self._interval)

    def _span_of_everything(self, everything: Window) -> Window:
        return span_of(self._rows(everything), self._interval, self._source_ref)
