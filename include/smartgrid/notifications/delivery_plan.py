"""How the pipeline shares out what is due: so many workers at once, each of which takes what no other has leased."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from smartgrid.clock import wall_clock
from smartgrid.errors import NothingToDo
from smartgrid.notifications.router import route_events
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.notification_tables import DeliveryRow

PER_WORKER = 2000
MOST_WORKERS = 4


def due() -> dict[str, Any]:
    """Route what was recorded and count what is due.

    Raises:
        NothingToDo: no delivery is due.
    """
    routed = route_events(get_settings())
    deliveries = due_deliveries(wall_clock())
    if not deliveries:
        raise NothingToDo(f"{routed} events routed, no delivery is due")
    workers = min(MOST_WORKERS, -(-deliveries // PER_WORKER))
    return {"routed_events": routed, "due": deliveries, "workers": workers}


def due_deliveries(now: datetime) -> int:
    """Deliveries whose time has come, and those whose worker was lost."""
    waiting = DeliveryRow.queue.is_not(None) & (DeliveryRow.due_at <= now)
    lost = (DeliveryRow.state == "leased") & (DeliveryRow.lease_until <= now)
    with session() as transaction:
        return int(transaction.scalar(select(func.count()).select_from(DeliveryRow).where(waiting | lost)) or 0)
