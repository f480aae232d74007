"""What a dedupe key names: one row for each trouble, kept up to date by every event that speaks of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.store.events import SEVERITIES, EventRow
from smartgrid.store.routing_tables import Condition

CHUNK = 500  # keys in one query: SQLite takes 32,766 variables at most, and plans slowly long before


def chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """`keys` in pieces that fit one query."""
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


class Conditions:
    """The conditions that a batch of events speaks of."""

    def __init__(self, session: Session, events: Sequence[EventRow]) -> None:
        self._session = session
        self._known: dict[str, Condition] = {}
        for keys in chunks(sorted({event.dedupe_key for event in events if event.dedupe_key})):
            for row in session.scalars(select(Condition).where(Condition.condition_key.in_(keys))):
                self._known[row.condition_key] = row

    def seen(self, event: EventRow) -> Condition | None:
        """The condition of `event`, counted once more; an event without key has none."""
        if not event.dedupe_key:
            return None
        row = self._known.get(event.dedupe_key)
        if row is None:
            row = Condition(
                condition_key=event.dedupe_key, kind=event.kind, severity=event.severity,
                first_seen_at=event.recorded_at, last_seen_at=event.recorded_at, times_seen=0,
            )  # fmt: skip
            self._session.add(row)
            self._known[event.dedupe_key] = row
        elif row.resolved_at is not None:
            row.resolved_at, row.first_seen_at, row.times_seen = None, event.recorded_at, 0
            row.severity, row.last_routed_at = event.severity, None
        row.last_seen_at = event.recorded_at
        row.times_seen += 1
        return row

    def resolve(self, event: EventRow) -> bool:
        """Mark the condition of `event` as over; False where none was open."""
        row = self._known.get(event.dedupe_key or "")
        if row is None or row.resolved_at is not None:
            return False
        row.resolved_at = row.last_seen_at = event.recorded_at
        return True


def is_duplicate(condition: Condition, event: EventRow, window: timedelta, now: datetime) -> bool:
    """Whether this trouble was routed within `window` and is no worse now."""
    if condition.last_routed_at is None or condition.last_routed_at + window <= now:
        return False
    return severity_rank(event.severity) <= severity_rank(condition.severity)


def severity_rank(severity: str) -> int:
    return SEVERITIES.index(severity)


def worst(severities: Sequence[str]) -> str:
    return max(severities, key=severity_rank)
