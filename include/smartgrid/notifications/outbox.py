"""The outbox: a notification and its deliveries exist if and only if the transaction that asked for them commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications.errors import NothingToCancel, UnknownNotification
from smartgrid.notifications.lanes import RANKS, lane_of, queue_of, recipient_key
from smartgrid.notifications.model import NewNotification, Target, new_id
from smartgrid.notifications.schedule import default_expiry
from smartgrid.notifications.transaction import is_sqlite, write_transaction
from smartgrid.settings import Settings, get_settings
from smartgrid.store.notification_tables import DeliveryRow, NotificationRow

Row = dict[str, Any]


def send(*notifications: NewNotification) -> list[str]:
    """Add notifications in a transaction of their own; their ids."""
    with write_transaction() as transaction:
        return add(transaction, notifications)


def add(transaction: Session, notifications: Sequence[NewNotification], settings: Settings | None = None) -> list[str]:
    """Add notifications to the caller's transaction; their ids.

    One whose `dedupe_key` is there already adds nothing and gets the id of the one that has it.
    """
    settings, now = settings or get_settings(), wall_clock()
    ids, fresh_notifications, fresh_deliveries = [], [], []
    for notification in notifications:
        row = notification_row(notification, now)
        if notification.dedupe_key is not None:
            known = _add_once(transaction, row)
            if known is not None:
                ids.append(known)
                continue
        else:
            fresh_notifications.append(row)
        ids.append(row["notification_id"])
        fresh_deliveries += delivery_rows(notification, row["notification_id"], now, settings)
    add_rows(transaction, fresh_notifications, fresh_deliveries)
    return ids


def add_rows(transaction: Session, notifications: list[Row], deliveries: list[Row]) -> None:
    """Insert prepared rows."""
    if notifications:
        transaction.execute(insert(NotificationRow.__table__), notifications)  # type: ignore[arg-type]
    if deliveries:
        transaction.execute(insert(DeliveryRow.__table__), deliveries)  # type: ignore[arg-type]


def notification_row(notification: NewNotification, now: datetime) -> Row:
    return {
        "notification_id": new_id(),
        "created_at": now,
        "created_by": notification.created_by,
        "source": notification.source,
        "subject": notification.subject,
        "message": notification.message,
        "priority": notification.priority,
        "data": dict(notification.data),
        "dedupe_key": notification.dedupe_key,
        "event_ids": list(notification.event_ids),
    }


def delivery_rows(notification: NewNotification, notification_id: str, now: datetime, settings: Settings) -> list[Row]:
    due_at = max(now, notification.not_before or now)
    expires_at = notification.expires_at or default_expiry(notification.priority, due_at, settings)
    rank = RANKS[notification.priority]
    return [
        _delivery_row(target, notification_id, rank, now, due_at, expires_at)
        for target in dict.fromkeys(notification.targets)
    ]


def _delivery_row(
    target: Target, notification_id: str, rank: int, now: datetime, due_at: datetime, expires_at: datetime
) -> Row:
    lane = lane_of(target)
    return {
        "delivery_id": new_id(),
        "notification_id": notification_id,
        "created_at": now,
        "updated_at": now,
        "channel": target.channel,
        "platform": target.platform,
        "recipient": target.recipient,
        "recipient_key": recipient_key(target),
        "lane": lane,
        "rank": rank,
        "state": "pending",
        "queue": queue_of(rank, lane),
        "due_at": due_at,
        "expires_at": expires_at,
        "attempts": 0,
        "lost_leases": 0,
    }


def _add_once(transaction: Session, row: Row) -> str | None:
    """Insert unless the dedupe key is there; the id of the one that has it, None if this one was inserted."""
    dialect = sqlite if is_sqlite(transaction) else postgresql
    statement = dialect.insert(NotificationRow).values(row).on_conflict_do_nothing(index_elements=["dedupe_key"])
    if transaction.scalar(statement.returning(NotificationRow.notification_id)) is not None:
        return None
    known = select(NotificationRow.notification_id).where(NotificationRow.dedupe_key == row["dedupe_key"])
    return transaction.scalars(known).one()


def cancel(notification_id: str, by: str) -> int:
    """Cancel what of a notification is not under way yet; how many deliveries that were.

    Raises:
        UnknownNotification
        NothingToCancel: all of it is under way, delivered or dead.
    """
    with write_transaction() as transaction:
        if transaction.get(NotificationRow, notification_id) is None:
            raise UnknownNotification(notification_id)
        waiting = DeliveryRow.notification_id == notification_id, DeliveryRow.state == "pending"
        cancelled = _finish(transaction, waiting, "cancelled", f"cancelled by {by}")
        if cancelled == 0:
            raise NothingToCancel(notification_id)
        return cancelled


def expire(transaction: Session, now: datetime, limit: int = 500) -> int:
    """Turn waiting deliveries that nobody needs any more into dead letters; how many."""
    worthless = select(DeliveryRow.delivery_id).where(DeliveryRow.queue.is_not(None), DeliveryRow.expires_at <= now)
    ids = transaction.scalars(worthless.limit(limit)).all()
    if not ids:
        return 0
    waiting = DeliveryRow.delivery_id.in_(ids), DeliveryRow.state == "pending"
    unknown = DeliveryRow.delivery_id.in_(ids), DeliveryRow.state == "ambiguous"
    return _finish(transaction, waiting, "dead", "expired: not delivered while it was worth delivering") + _finish(
        transaction, unknown, "dead", "ambiguous: expired before the provider could say whether it was sent"
    )


def _finish(transaction: Session, which: Iterable[ColumnElement[bool]], state: str, reason: str) -> int:
    now = wall_clock()
    done = transaction.execute(
        update(DeliveryRow)
        .where(*which)
        .values(state=state, queue=None, reason=reason, finished_at=now, updated_at=now)
        .returning(DeliveryRow.delivery_id)
        .execution_options(synchronize_session=False)
    )
    return len(done.all())
