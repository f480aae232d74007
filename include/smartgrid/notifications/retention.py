"""What is finished and old is forgotten; what waits, or failed without being looked at, is kept as long as anything."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, exists, select

from smartgrid.clock import wall_clock
from smartgrid.notifications.forgetting import forget_routing
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import Settings
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow, IdempotencyRow, NotificationRow

# Small transactions: SQLite has one writer, and messages must not wait behind the cleaning.
CHUNK = 500
UNFINISHED = ("pending", "leased", "ambiguous")


def prune(settings: Settings) -> dict[str, int]:
    """Delete notifications and events older than `outbox.keep_days` of which nothing is under way, and old keys."""
    now = wall_clock()
    before = now - timedelta(days=settings.outbox.keep_days)
    notifications = 0
    while deleted := _prune_chunk(before):
        notifications += deleted
    with write_transaction() as transaction:
        old = IdempotencyRow.created_at < now - timedelta(hours=settings.outbox.keep_idempotency_h)
        keys = len(transaction.scalars(delete(IdempotencyRow).where(old).returning(IdempotencyRow.key)).all())
    return {"notifications": notifications, "idempotency_keys": keys} | forget_routing(before)


def _prune_chunk(before: object) -> int:
    unfinished = exists().where(
        DeliveryRow.notification_id == NotificationRow.notification_id, DeliveryRow.state.in_(UNFINISHED)
    )
    old = select(NotificationRow.notification_id).where(NotificationRow.created_at < before, ~unfinished).limit(CHUNK)
    with write_transaction() as transaction:
        ids = transaction.scalars(old).all()
        deliveries = select(DeliveryRow.delivery_id).where(DeliveryRow.notification_id.in_(ids))
        transaction.execute(delete(AttemptRow).where(AttemptRow.delivery_id.in_(deliveries)))
        transaction.execute(delete(DeliveryRow).where(DeliveryRow.notification_id.in_(ids)))
        transaction.execute(delete(NotificationRow).where(NotificationRow.notification_id.in_(ids)))
    return len(ids)
