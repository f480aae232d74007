"""Recorded events become notifications: each is routed once, in the transaction that adds what it leads to."""

from __future__ import annotations

from sqlalchemy import select

from smartgrid.clock import wall_clock
from smartgrid.notifications import outbox
from smartgrid.notifications.routing import plan
from smartgrid.notifications.transaction import ROUTING_LOCK, alone, write_transaction
from smartgrid.settings import Settings
from smartgrid.store.events import EventRow

# Small transactions: while one plans, a SQLite store takes nothing else.
MOST_EVENTS = 200


def route_events(settings: Settings) -> int:
    """Decide about all unrouted events and about what falls due in time; how many events there were."""
    total = 0
    while True:
        routed = route_batch(settings)
        total += routed
        if routed < MOST_EVENTS:
            return total


def route_batch(settings: Settings) -> int:
    """Decide about the oldest unrouted events and about what falls due in time; how many events there were.

    Only one process at a time plans: two would each begin the same group.
    """
    with write_transaction() as transaction:
        if not alone(transaction, ROUTING_LOCK):
            return 0
        oldest = select(EventRow).where(EventRow.routed_at.is_(None)).order_by(EventRow.event_id)
        events = transaction.scalars(oldest.limit(MOST_EVENTS)).all()
        now = wall_clock()
        outbox.add(transaction, plan(transaction, events, now), settings)
        for event in events:
            event.routed_at = now
    return len(events)
