"""Transactions: which events happened in the same window at the same place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

from smartgrid.mining.errors import ParameterOutOfRange
from smartgrid.mining.events_vocabulary import OUTAGE, Relation, Vocabulary
from smartgrid.mining.results import Rule

Place = Literal["zone", "grid", "record"]
PLACES: tuple[Place, ...] = ("zone", "grid", "record")
_AT = " @ "


@dataclass(frozen=True)
class Transactions:
    """Transaction i has the items `items[i]` (sorted, may be none) and is called `names[i]`.

    days[i] is its local date (None for records without one), places[i] its zone ("" for the whole grid).
    """

    names: tuple[str, ...]
    items: tuple[tuple[str, ...], ...]
    days: tuple[date | None, ...]
    places: tuple[str, ...]
    place: Place
    window_hours: int

    def __len__(self) -> int:
        return len(self.names)

    @property
    def empty(self) -> int:
        return sum(1 for items in self.items if not items)

    def frame(self) -> pl.DataFrame:
        """Columns transaction, item: the input of `smartgrid mine apriori`. Transactions without items have no row."""
        rows = [(name, item) for name, items in zip(self.names, self.items, strict=True) for item in items]
        return pl.DataFrame(rows, schema={"transaction": pl.String(), "item": pl.String()}, orient="row")

    @cached_property
    def _with_item(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for number, items in enumerate(self.items):
            for item in items:
                found.setdefault(item, set()).add(number)
        return found

    def having(self, items: Iterable[str]) -> list[int]:
        """Transactions that have all of `items`."""
        sets = [self._with_item.get(item, set()) for item in items]
        return sorted(set.intersection(*sets)) if sets else list(range(len(self)))


def build_transactions(
    events: pl.DataFrame,
    *,
    place: Place,
    timezone: str,
    window_hours: int = 24,
    zones: Sequence[str] | None = None,
    first: date | None = None,
    last: date | None = None,
    without: Iterable[str] = (),
) -> Transactions:
    """Transactions of events (EVENT_SCHEMA).

    place: "zone": one for each zone and window; what concerns the whole grid is in each. "grid": one for each window,
    items are `event @ zone`. "record": one for each row of an imported log, windows do not matter. An event is in each
    window that it touches. Windows of `window_hours` (a divisor of 24) start at local midnight, from `first` to `last`
    (both in; by default those of the events); those without events count, too: they are what an event is rare against.
    `without`: zones to leave out (the same meter twice).
    """
    if place not in PLACES:
        raise ParameterOutOfRange("place", place, ", ".join(PLACES))
    if isinstance(window_hours, bool) or not isinstance(window_hours, int) or window_hours < 1 or 24 % window_hours:
        raise ParameterOutOfRange("window_hours", window_hours, "1, 2, 3, 4, 6, 8, 12 or 24")
    left_out = set(without)
    events = events.filter(~pl.col("place").is_in(list(left_out)))
    if place == "record":
        return _records(events, ZoneInfo(timezone))
    zone = ZoneInfo(timezone)
    if events.height:
        starts = [moment.astimezone(zone).date() for moment in events["start"].to_list()]
        first, last = first or min(starts), last or max(starts)
    if first is None or last is None:
        return Transactions((), (), (), (), place, window_hours)
    names = sorted({name for name in events["place"].to_list() if name}) if zones is None else list(zones)
    names = [name for name in names if name not in left_out]
    places = names if place == "zone" else [""]
    items: dict[tuple[str, date, int], set[str]] = {}
    for start, end, where, event in events.select("start", "end", "place", "event").iter_rows():
        for day, hour in _windows(start, end, zone, window_hours):
            if place == "grid":
                items.setdefault(("", day, hour), set()).add(f"{event}{_AT}{where}" if where else event)
            else:
                for name in [where] if where else names:
                    items.setdefault((name, day, hour), set()).add(event)
    keys = [
        (name, first + timedelta(days=number), hour)
        for name in places
        for number in range((last - first).days + 1)
        for hour in range(0, 24, window_hours)
    ]
    return Transactions(
        tuple(_name(key, window_hours) for key in keys),
        tuple(tuple(sorted(items.get(key, ()))) for key in keys),
        tuple(day for _, day, _ in keys),
        tuple(name for name, _, _ in keys),
        place,
        window_hours,
    )


def _records(events: pl.DataFrame, zone: ZoneInfo) -> Transactions:
    """One transaction a source row; that it is an outage is true of every one, and says nothing."""
    rows = events.filter(pl.col("source") != "measurements")
    grouped: dict[str, tuple[set[str], date, str]] = {}
    for source, event, start, where in rows.select("source", "event", "start", "place").iter_rows():
        found = grouped.setdefault(source, (set(), start.astimezone(zone).date(), where))
        if event != OUTAGE:
            found[0].add(event)
    return Transactions(
        tuple(grouped),
        tuple(tuple(sorted(items)) for items, _, _ in grouped.values()),
        tuple(day for _, day, _ in grouped.values()),
        tuple(where for _, _, where in grouped.values()),
        "record",
        24,
    )


def _windows(start: datetime, end: datetime, zone: ZoneInfo, hours: int) -> list[tuple[date, int]]:
    """(local date, first hour) of each window that start .. end (not in) touches."""
    found: list[tuple[date, int]] = []
    moment = start.astimezone(zone)
    day, hour = moment.date(), moment.hour // hours * hours
    while True:
        begin = datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)
        if begin >= end and found:
            return found
        found.append((day, hour))
        hour += hours
        if hour >= 24:
            day, hour = day + timedelta(days=1), 0


def _name(key: tuple[str, date, int], window_hours: int) -> str:
    where, day, hour = key
    when = f"{day}" if window_hours == 24 else f"{day} {hour:02d}h"
    return f"{where} {when}" if where else when


def split_item(item: str) -> tuple[str, str]:
    """(event, zone or "") of an item.

    >>> split_item("peak @ Z10")
    ('peak', 'Z10')
    """
    event, at, where = item.rpartition(_AT)
    return (event, where) if at else (item, "")


def relation_of_rule(
    rule: Rule, vocabulary: Vocabulary, twins: Mapping[str, str] | None = None
) -> tuple[Relation, str]:
    """Whether a rule is true by construction, expected or new, and why.

    By construction: an item of one side and one of the other are linked so (made of the same measurements at the same
    place, or of two zones that carry the same readings).
    """
    expected = ""
    for left in rule.antecedent:
        for right in rule.consequent:
            (one, here), (other, there) = split_item(left), split_item(right)
            if here and there and here != there:
                same = (twins or {}).get(here, here) == (twins or {}).get(there, there)
                if not same:
                    if vocabulary.basis(one) == vocabulary.basis(other) == "temperature":
                        expected = "zones share the weather"
                    continue
            relation, why = vocabulary.relation(one, other)
            if relation == "by construction":
                return relation, why
            if relation == "expected":
                expected = why
    return ("expected", expected) if expected else ("new", "")
