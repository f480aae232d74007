"""What became of notifications: for the API, the page and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select

from smartgrid.notifications.errors import UnknownNotification
from smartgrid.store import session
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow, NotificationRow

STATES = ("pending", "leased", "ambiguous", "delivered", "dead", "cancelled")
# A notification is as far as the delivery that is least far.
_FURTHEST_LAST = ("ambiguous", "leased", "pending", "dead", "delivered", "cancelled")


@dataclass(frozen=True)
class Told:
    """One notification with its deliveries and the attempts of each, oldest first."""

    notification: NotificationRow
    deliveries: Sequence[DeliveryRow]
    attempts: dict[str, list[AttemptRow]]

    @property
    def state(self) -> str:
        states = {delivery.state for delivery in self.deliveries}
        return next((state for state in _FURTHEST_LAST if state in states), "delivered")


@dataclass(frozen=True)
class Page:
    """Deliveries, newest first, with their notifications. `next_before` continues; None: no more."""

    rows: Sequence[tuple[DeliveryRow, NotificationRow]]
    next_before: str | None


def told(notification_id: str) -> Told:
    """Everything about one notification.

    Raises:
        UnknownNotification
    """
    with session() as transaction:
        notification = transaction.get(NotificationRow, notification_id)
        if notification is None:
            raise UnknownNotification(notification_id)
        of_it = DeliveryRow.notification_id == notification_id
        deliveries = transaction.scalars(select(DeliveryRow).where(of_it).order_by(DeliveryRow.delivery_id)).all()
        attempts: dict[str, list[AttemptRow]] = {row.delivery_id: [] for row in deliveries}
        query = select(AttemptRow).where(AttemptRow.delivery_id.in_(attempts)).order_by(AttemptRow.attempt_id)
        for attempt in transaction.scalars(query):
            attempts[attempt.delivery_id].append(attempt)
    return Told(notification, deliveries, attempts)


def page(*, state: str | None = None, channel: str | None = None, before: str | None = None, limit: int = 50) -> Page:
    """The newest deliveries, `before` the id that an earlier page ended with. Ids are ordered by time."""
    wanted: list[ColumnElement[bool]] = []
    if state is not None:
        wanted.append(DeliveryRow.state == state)
    if channel is not None:
        wanted.append(DeliveryRow.channel == channel)
    if before is not None:
        wanted.append(DeliveryRow.delivery_id < before)
    query = (
        select(DeliveryRow, NotificationRow)
        .join(NotificationRow, NotificationRow.notification_id == DeliveryRow.notification_id)
        .where(*wanted)
        .order_by(DeliveryRow.delivery_id.desc())
        .limit(limit + 1)
    )
    with session() as transaction:
        rows: list[Any] = [tuple(row) for row in transaction.execute(query)]
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, rows[-1][0].delivery_id if more else None)


def counts() -> dict[str, int]:
    """Deliveries by state."""
    with session() as transaction:
        found = transaction.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state))
        return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in found}
