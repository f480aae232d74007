"""Steps of this room: drain the outbox, as the service's worker does, and forget what is old."""

from __future__ import annotations

from typing import Any

from smartgrid.errors import NothingToDo
from smartgrid.notifications.retention import prune
from smartgrid.notifications.worker import Worker
from smartgrid.settings import get_settings


def deliver(within_s: float = 240.0) -> dict[str, Any]:
    """Route recorded events and deliver what is due, until nothing is left or time is up.

    Works beside the service's worker and beside itself: each delivery is leased by one of them.

    Raises:
        NothingToDo: nothing was due.
    """
    tally = Worker(get_settings()).drain(within_s)
    if not (tally.delivered or tally.failed or tally.routed_events):
        raise NothingToDo("no delivery is due and no event waits")
    return {
        "delivered": tally.delivered,
        "failed": tally.failed,
        "taken_back": tally.taken_back,
        "routed_events": tally.routed_events,
    }


def forget() -> dict[str, Any]:
    """Delete notifications that are finished and older than `outbox.keep_days`."""
    return {"deleted": prune(get_settings())}
