"""Dead letters: what could not be delivered, why, and how to send it after all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications.errors import NotADeadLetter, UnknownDelivery
from smartgrid.notifications.lanes import queue_of
from smartgrid.notifications.outcome import PRIORITIES_BY_RANK
from smartgrid.notifications.schedule import default_expiry
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow

MOST_AT_ONCE = 10_000
AMBIGUOUS = "ambiguous:"


@dataclass(frozen=True)
class Which:
    """Which dead letters; an empty field means any."""

    channel: str | None = None
    recipient: str | None = None
    lane: str | None = None
    reason_contains: str | None = None
    died_after: datetime | None = None
    died_before: datetime | None = None
    # Those that may have been sent: a second SMS is worse than a late one, so a bulk replay leaves them out.
    include_ambiguous: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        row = DeliveryRow
        found: list[ColumnElement[bool]] = [row.state == "dead"]
        if self.channel is not None:
            found.append(row.channel == self.channel)
        if self.recipient is not None:
            found.append(row.recipient == self.recipient)
        if self.lane is not None:
            found.append(row.lane == self.lane)
        if self.reason_contains is not None:
            found.append(row.reason.contains(self.reason_contains, autoescape=True))
        if self.died_after is not None:
            found.append(row.finished_at >= self.died_after)
        if self.died_before is not None:
            found.append(row.finished_at < self.died_before)
        if not self.include_ambiguous:
            found.append(~row.reason.startswith(AMBIGUOUS))
        return found


def replay(delivery_id: str, by: str) -> None:
    """Send one dead letter again, with the id that it had.

    Raises:
        UnknownDelivery, NotADeadLetter
    """
    with write_transaction() as transaction:
        row = transaction.get(DeliveryRow, delivery_id, with_for_update=True)
        if row is None:
            raise UnknownDelivery(delivery_id)
        if row.state != "dead":
            raise NotADeadLetter(delivery_id, row.state)
        _revive(transaction, [row], by)


def replay_all(which: Which, by: str, limit: int = MOST_AT_ONCE) -> int:
    """Send all that match again, oldest first; how many."""
    with write_transaction() as transaction:
        oldest = select(DeliveryRow).where(*which.conditions()).order_by(DeliveryRow.updated_at).limit(limit)
        rows = transaction.scalars(oldest.with_for_update(skip_locked=True)).all()
        _revive(transaction, rows, by)
    return len(rows)


def listed(which: Which, limit: int = 100) -> Sequence[DeliveryRow]:
    """The newest that match."""
    newest = select(DeliveryRow).where(*which.conditions()).order_by(DeliveryRow.updated_at.desc()).limit(limit)
    with session() as transaction:
        return transaction.scalars(newest).all()


def _revive(transaction: Session, rows: Sequence[DeliveryRow], by: str) -> None:
    now, settings = wall_clock(), get_settings()
    notes = []
    for row in rows:
        notes.append(
            {
                "delivery_id": row.delivery_id,
                "number": row.attempts,
                "started_at": now,
                "latency_ms": 0,
                "outcome": "replay",
                "detail": f"replayed by {by} after: {row.reason}"[:500],
            }
        )
        row.state, row.queue = "pending", queue_of(row.rank, row.lane)
        row.due_at = row.updated_at = now
        row.expires_at = default_expiry(PRIORITIES_BY_RANK[row.rank], now, settings)
        row.attempts = row.lost_leases = 0
        row.reason = row.finished_at = row.handed_over_at = None
    if notes:
        transaction.execute(insert(AttemptRow), notes)
