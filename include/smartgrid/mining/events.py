"""Events of the grid as one table: when, where, what, how much; derived from measurements, or imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from smartgrid.mining.daily_loads import DailyLoads
from smartgrid.mining.events_vocabulary import EventKind, Vocabulary

UTC_TIME = pl.Datetime("us", "UTC")
# place: a zone, or empty where it concerns the whole grid. unit: of `value`. source: measurements, or file and row.
EVENT_SCHEMA: dict[str, pl.DataType] = {
    "start": UTC_TIME,
    "end": UTC_TIME,
    "place": pl.String(),
    "event": pl.String(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "source": pl.String(),
}
MEASURED = "measurements"


@dataclass(frozen=True)
class Records:
    """What the store and the lake know beside measurements; each frame may be empty.

    rejected: zone, time, reason of rows that the validation rejected. misses: zone, day (local date), error_share =
    mean absolute error of the day-ahead forecast / mean load.
    """

    holidays: frozenset[date] = frozenset()
    rejected: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"zone": pl.String(), "time": UTC_TIME, "reason": pl.String()})
    )
    misses: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"zone": pl.String(), "day": pl.Date(), "error_share": pl.Float64()}
        )
    )


@dataclass(frozen=True)
class Found:
    """One event before it has UTC times: local day and hours `begin` .. `end` (not in) of it."""

    place: str
    day: date
    value: float
    unit: str
    begin: int = 0
    end: int = 24
    suffix: str = ""


Detect = Callable[[DailyLoads, EventKind, Records, str], Iterator[Found]]


def derive_events(loads: DailyLoads, records: Records, vocabulary: Vocabulary, timezone: str) -> pl.DataFrame:
    """Events of the window (without its history days), rows of EVENT_SCHEMA by time, place and event."""
    from smartgrid.mining.events_detectors import DETECTORS

    zone = ZoneInfo(timezone)
    rows = [
        (
            _at(found.day, found.begin, zone),
            _at(found.day, found.end, zone),
            found.place,
            name + (f":{found.suffix}" if found.suffix else ""),
            found.value,
            found.unit,
            MEASURED,
        )
        for name, kind in vocabulary.events.items()
        for found in DETECTORS[kind.detector](loads, kind, records, timezone)
    ]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row").sort("start", "place", "event")


def join_events(*frames: pl.DataFrame) -> pl.DataFrame:
    """Several tables of events as one."""
    return pl.concat([frame.select(*EVENT_SCHEMA) for frame in frames]).sort("start", "place", "event")


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """UTC of a local hour; hour 24 is the next midnight, so that a day of 23 or 25 hours ends where it ends."""
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)
