"""Silences: nobody is told of what matches until they expire. Each has a reason and an end; events stay recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from smartgrid.notifications.errors import NotificationError
from smartgrid.notifications.matching import Matcher
from smartgrid.notifications.topology import Place
from smartgrid.store.events import EventRow
from smartgrid.store.routing_tables import SilenceRow

LONGEST = timedelta(days=30)
SHORTEST_REASON = 5


class BadSilence(NotificationError):
    """A silence without a reason, without an end, or for everything for long."""

    exit_code = 2

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{problem} A silence needs a reason and ends by itself after at most {LONGEST.days} days.")


class NoSuchSilence(NotificationError):
    exit_code = 2

    def __init__(self, silence_id: int) -> None:
        self.silence_id = silence_id
        super().__init__(f"No silence {silence_id}. `smartgrid notifications silence list` shows them.")


@dataclass(frozen=True)
class Silence:
    silence_id: int
    matcher: Matcher
    reason: str


def add(
    session: Session, matcher: Matcher, reason: str, by: str, now: datetime, *, lasts: timedelta,
    starts_at: datetime | None = None,
) -> SilenceRow:  # fmt: skip
    """Silence what `matcher` fits from `starts_at` (now) for `lasts`.

    Raises:
        BadSilence
    """
    reason = " ".join(reason.split())
    if len(reason) < SHORTEST_REASON:
        raise BadSilence("Say why in at least a word.")
    if not timedelta(0) < lasts <= LONGEST:
        raise BadSilence(f"{lasts} is not a duration between 0 and {LONGEST.days} days.")
    if matcher == Matcher():
        raise BadSilence("An empty matcher would silence everything; name a kind, zone, place, team or severity.")
    start = starts_at or now
    row = SilenceRow(
        matcher=matcher.model_dump(mode="json", exclude_defaults=True), reason=reason[:2000], created_by=by[:128],
        created_at=now, starts_at=start, expires_at=start + lasts,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def end(session: Session, silence_id: int, by: str, now: datetime) -> SilenceRow:
    """End a silence early; one that is over already stays as it is.

    Raises:
        NoSuchSilence
    """
    row = session.get(SilenceRow, silence_id)
    if row is None:
        raise NoSuchSilence(silence_id)
    if row.ended_at is None and row.expires_at > now:
        row.ended_at, row.ended_by = now, by[:128]
    return row


def active(session: Session, now: datetime) -> list[Silence]:
    """The silences in force at `now`."""
    rows = session.scalars(
        select(SilenceRow).where(
            SilenceRow.starts_at <= now,
            SilenceRow.expires_at > now,
            or_(SilenceRow.ended_at.is_(None), SilenceRow.ended_at > now),
        )
    )
    return [Silence(row.silence_id, Matcher.model_validate(row.matcher), row.reason) for row in rows]


def silencing(silences: Sequence[Silence], event: EventRow, place: Place) -> Silence | None:
    """The first silence that `event` falls under. A zone's silence hides an event only if it names all its zones."""
    for silence in silences:
        if silence.matcher.model_copy(update={"every_zone": True}).fits(event, place):
            return silence
    return None
