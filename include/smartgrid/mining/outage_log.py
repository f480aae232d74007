"""An outage log (CSV, one outage a line) as events. `mining.outage_log` maps its columns; bad rows are rejected."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from smartgrid.mining.events import EVENT_SCHEMA
from smartgrid.mining.events_vocabulary import OUTAGE
from smartgrid.mining.outage_times import UnreadableTime, parse_local
from smartgrid.mining.run_errors import OutageLogUnusable
from smartgrid.settings import OutageLog

# An outage that is told with its begin alone happened in that minute.
_MOMENT = timedelta(minutes=1)
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True)
class RejectedRow:
    """`line` of the file (the first line has the names), a reason code and the value that is wrong."""

    line: int
    reason: str
    detail: str


@dataclass(frozen=True)
class ImportedLog:
    """Events (EVENT_SCHEMA; `source` is FILE:LINE) of the accepted rows, and the others with their reasons."""

    events: pl.DataFrame
    rows: int
    rejected: tuple[RejectedRow, ...]

    @property
    def accepted(self) -> int:
        return self.rows - len(self.rejected)

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(row.reason for row in self.rejected).most_common())


class _Rejected(Exception):
    """A row that cannot be an event; caught in this file."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def read_outage_log(mapping: OutageLog, timezone: str) -> ImportedLog:
    """Events of the log at `mapping.path`; `timezone`: local time where neither row, place nor log says another.

    Raises:
        OutageLogUnusable: no such file, it is not text, or lacks a mapped column.
    """
    if mapping.path is None:
        raise OutageLogUnusable("(none)", "no outage log is configured: set SMARTGRID_MINING__OUTAGE_LOG__PATH")
    path = mapping.path
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=mapping.separator)
            _check_columns(path, mapping, list(reader.fieldnames or []))
            return _import(path, mapping, timezone, reader)
    except OSError as error:
        raise OutageLogUnusable(str(path), error.strerror or str(error)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise OutageLogUnusable(str(path), f"not CSV in UTF-8: {error}") from None


def _import(path: Path, mapping: OutageLog, timezone: str, reader: csv.DictReader[str]) -> ImportedLog:
    rows: list[tuple[object, ...]] = []
    rejected: list[RejectedRow] = []
    count = 0
    for record in reader:
        count += 1
        line = reader.line_num
        try:
            rows += list(_events(record, mapping, timezone, f"{path.name}:{line}"))
        except _Rejected as wrong:
            rejected.append(RejectedRow(line, wrong.reason, wrong.detail[:200]))
    events = pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row").sort("start", "source", "event")
    return ImportedLog(events, count, tuple(rejected))


def _events(record: dict[str, str], mapping: OutageLog, timezone: str, source: str) -> Iterator[tuple[object, ...]]:
    if None in record:
        raise _Rejected("too_many_columns", f"{len(record[None])} more than the first line names")  # type: ignore[index]
    place = _text(record, mapping.place, mapping) if mapping.place else ""
    if mapping.place and not place:
        raise _Rejected("place_missing", mapping.place)
    zone = _zone(record, mapping, place, timezone)
    start = _time(record, mapping.start, mapping, zone, "start")
    if start is None:
        raise _Rejected("start_missing", " and ".join(mapping.start))
    end = _time(record, mapping.end, mapping, zone, "end") if mapping.end else None
    if end is None and mapping.duration_minutes:
        minutes = _number(record, mapping.duration_minutes, mapping)
        end = None if minutes is None else start + timedelta(minutes=minutes)
    if end is not None and end < start:
        raise _Rejected("end_before_start", f"{start.isoformat()} .. {end.isoformat()}")
    minutes = math.nan if end is None else (end - start).total_seconds() / 60
    end = max(end or start, start + _MOMENT)
    told: list[tuple[str, float, str]] = [(OUTAGE, minutes, "minutes")]
    for name, column in mapping.items.items():
        value = _text(record, column, mapping)
        if value:
            told.append((f"{name}={value}", math.nan, ""))
    for name, column in mapping.numbers.items():
        number = _number(record, column, mapping)
        if number is not None:
            told += [(event, number, name) for event in _cut(name, number, mapping.limits.get(name, []))]
    for event, measured, unit in told:
        yield start, end, place, event, None if math.isnan(measured) else measured, unit, source


def _check_columns(path: Path, mapping: OutageLog, have: list[str]) -> None:
    wanted = [*mapping.start, *mapping.end, *mapping.items.values(), *mapping.numbers.values()]
    wanted += [one for one in (mapping.place, mapping.duration_minutes, mapping.timezone_column) if one]
    missing = [name for name in wanted if name not in have]
    if missing:
        raise OutageLogUnusable(str(path), f"no column {', '.join(missing)} among {', '.join(have[:40]) or 'none'}")
    without = [name for name in mapping.numbers if not mapping.limits.get(name)]
    if without:
        raise OutageLogUnusable(str(path), f"limits.{without[0]} is empty: a number becomes events by its limits")


def _text(record: dict[str, str], column: str | None, mapping: OutageLog) -> str:
    value = (record.get(column or "") or "").strip()
    return "" if value.casefold() in {one.casefold() for one in mapping.missing} else value


def _number(record: dict[str, str], column: str, mapping: OutageLog) -> float | None:
    text = _text(record, column, mapping)
    if not text:
        return None
    try:
        number = float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    except ValueError:
        raise _Rejected("not_a_number", f"{column}: {text}") from None
    if not math.isfinite(number) or number < 0:
        raise _Rejected("number_out_of_range", f"{column}: {text}")
    return number


def _zone(record: dict[str, str], mapping: OutageLog, place: str, timezone: str) -> ZoneInfo:
    name = _text(record, mapping.timezone_column, mapping) if mapping.timezone_column else ""
    name = name or mapping.place_timezones.get(place) or mapping.timezone or timezone
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise _Rejected("unknown_timezone", name) from None


def _time(
    record: dict[str, str], columns: list[str], mapping: OutageLog, zone: ZoneInfo, which: str
) -> datetime | None:
    texts = [_text(record, column, mapping) for column in columns]
    if not texts[0]:
        return None
    if not all(texts):
        # A date without its time would be midnight: an invented moment.
        raise _Rejected(f"{which}_incomplete", " ".join(texts).strip())
    try:
        return parse_local(texts, mapping.time_format, zone).astimezone(UTC)
    except UnreadableTime as error:
        raise _Rejected(f"{which}_{error.reason}", " ".join(texts)) from None


def _cut(name: str, number: float, limits: list[float]) -> list[str]:
    """The one event that says between which limits a number is.

    >>> _cut("customers", 70000, [10000, 50000, 100000])
    ['customers>=50000']
    >>> _cut("customers", 3, [10000, 50000])
    ['customers<10000']
    """
    reached = [limit for limit in sorted(limits) if number >= limit]
    if reached:
        return [f"{name}>={reached[-1]:g}" if reached[-1] < 1e6 else f"{name}>={reached[-1]:.0f}"]
    return [f"{name}<{min(limits):g}"] if limits else []
