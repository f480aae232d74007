"""Leases: a worker takes due deliveries for a while; what a dead worker held comes back by itself.

Two workers never hold the same delivery: PostgreSQL skips rows that another one locks (`FOR UPDATE SKIP LOCKED`),
SQLite has one writer at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from smartgrid.notifications.lanes import queue_of
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow

# A message that takes so many workers down with it is not tried for ever.
MOST_LOST_LEASES = 100
# Sending these twice is worse than sending them late: a time-out or a crash leaves their fate unknown.
UNREPEATABLE = frozenset({"sms"})
# Clocks of two machines differ by less; a row from further ahead says that the clock was moved back.
CLOCK_SLACK = timedelta(seconds=5)

# A loose index scan: one probe for each queue, however many deliveries it holds.
_QUEUES = text("""
WITH RECURSIVE queues(queue) AS (
    SELECT (SELECT queue FROM deliveries WHERE queue > :after ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT d.queue FROM deliveries d WHERE d.queue > queues.queue ORDER BY d.queue LIMIT 1)
    FROM queues WHERE queues.queue IS NOT NULL
)
SELECT queue, (SELECT min(due_at) FROM deliveries d WHERE d.queue = queues.queue) AS due_at
FROM queues WHERE queue IS NOT NULL LIMIT :most
""").columns(due_at=DeliveryRow.__table__.c.due_at.type)


def waiting_queues(transaction: Session, after: str = "", most: int = 1000) -> dict[str, datetime]:
    """Queues with waiting deliveries and when the first of each is due, critical ones first."""
    return {row.queue: row.due_at for row in transaction.execute(_QUEUES, {"after": after, "most": most})}


def take(
    transaction: Session, wanted: Mapping[str, int], owner: str, now: datetime, lease: timedelta
) -> list[DeliveryRow]:
    """Lease up to `wanted[queue]` due deliveries of each queue for `owner`."""
    taken: list[DeliveryRow] = []
    for queue, most in wanted.items():
        due = (
            select(DeliveryRow.delivery_id)
            .where(DeliveryRow.queue == queue, DeliveryRow.due_at <= now)
            .order_by(DeliveryRow.due_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        leased = (
            update(DeliveryRow)
            .where(DeliveryRow.delivery_id.in_(due))
            .values(state="leased", queue=None, lease_until=now + lease, lease_owner=owner, updated_at=now)
            .returning(DeliveryRow)
            .execution_options(synchronize_session=False)
        )
        taken += transaction.scalars(leased).all()
    taken.sort(key=lambda row: (row.rank, row.due_at))
    return taken


def renew(transaction: Session, owner: str, delivery_ids: Collection[str], now: datetime, lease: timedelta) -> None:
    """Hold on to deliveries that are still in this worker's hands."""
    if delivery_ids:
        transaction.execute(
            update(DeliveryRow)
            .where(DeliveryRow.delivery_id.in_(delivery_ids), DeliveryRow.lease_owner == owner)
            .values(lease_until=now + lease, updated_at=now)
            .execution_options(synchronize_session=False)
        )


def give_back(transaction: Session, owner: str, rows: Collection[Mapping[str, Any]]) -> None:
    """Return deliveries that were leased and not tried: each with `id`, `queue`, `state` and `now`."""
    if rows:
        transaction.execute(
            text(
                "UPDATE deliveries SET state = :state, queue = :queue, lease_until = NULL, lease_owner = NULL "
                "WHERE delivery_id = :id AND lease_owner = :owner"
            ),
            [{**row, "owner": owner} for row in rows],
        )


def hand_over(transaction: Session, delivery_id: str, owner: str, now: datetime) -> bool:
    """Note that an unrepeatable message is about to go out. False: the lease was lost, do not send it."""
    noted = transaction.scalar(
        update(DeliveryRow)
        .where(DeliveryRow.delivery_id == delivery_id, DeliveryRow.lease_owner == owner)
        .values(handed_over_at=now)
        .returning(DeliveryRow.delivery_id)
        .execution_options(synchronize_session=False)
    )
    return noted is not None


def take_back_lost(transaction: Session, now: datetime, worker: str, limit: int = 1000) -> int:
    """Return deliveries whose worker fell silent; how many.

    One that may be with its provider already is `ambiguous` from now on; all others simply wait again.
    """
    lost = transaction.scalars(
        select(DeliveryRow).where(DeliveryRow.lease_until < now).limit(limit).with_for_update(skip_locked=True)
    ).all()
    attempts = []
    for row in lost:
        row.lost_leases += 1
        row.lease_until = row.lease_owner = None
        row.updated_at = row.due_at = now
        row.queue = queue_of(row.rank, row.lane)
        if row.handed_over_at is not None:
            row.state, row.reason = "ambiguous", "its worker died while handing it over"
            attempts.append(_lost_attempt(row, now, worker, "ambiguous"))
        elif row.lost_leases >= MOST_LOST_LEASES:
            row.state, row.queue, row.finished_at = "dead", None, now
            row.reason = f"{row.lost_leases} workers died with it"
            attempts.append(_lost_attempt(row, now, worker, "permanent"))
        else:
            row.state = "pending"
    if attempts:
        transaction.execute(insert(AttemptRow), attempts)
    return len(lost)


def repair_after_clock_jump(transaction: Session, now: datetime, limit: int = 5000) -> int:
    """Move into the present what a clock scheduled that was moved back; how many. Waits keep their length."""
    ahead = transaction.scalars(
        select(DeliveryRow)
        .where(DeliveryRow.state.in_(("pending", "ambiguous", "leased")), DeliveryRow.updated_at > now + CLOCK_SLACK)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in ahead:
        moved = row.updated_at - now
        row.due_at, row.updated_at = row.due_at - moved, now
        if row.lease_until is not None:
            row.lease_until -= moved
    return len(ahead)


def _lost_attempt(row: DeliveryRow, now: datetime, worker: str, outcome: str) -> dict[str, Any]:
    return {
        "delivery_id": row.delivery_id,
        "number": row.attempts + 1,
        "started_at": row.handed_over_at or now,
        "latency_ms": 0,
        "outcome": outcome,
        "detail": row.reason,
        "worker": worker,
    }
