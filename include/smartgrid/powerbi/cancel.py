"""Cancel whatever refresh of a dataset runs, whoever started it."""

from __future__ import annotations

from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.errors import NotFound
from smartgrid.powerbi.refresh_store import RefreshStore
from smartgrid.powerbi.store_ready import store_ready


def cancel_running(client: PowerBiClient, dataset_id: str) -> list[str]:
    """Ids of the refreshes that the service was asked to cancel.

    Raises:
        Refused: the service cannot cancel it; a standard refresh cannot be cancelled.
    """
    store_ready()
    store = RefreshStore(client.access.workspace_id, dataset_id)
    live = store.live()
    wanted = [str(live.service_ids[0])] if live is not None and live.service_ids else []
    wanted += [
        entry.request_id
        for entry in client.refresh_history(dataset_id).entries
        if entry.state == "running" and entry.ended_at is None and entry.request_id
    ]
    cancelled = []
    for service_id in dict.fromkeys(wanted):
        try:
            client.cancel_refresh(dataset_id, service_id)
        except NotFound:
            continue  # it has ended meanwhile
        cancelled.append(service_id)
        if live is not None and service_id in live.service_ids:
            store.cancel_asked(live.refresh_id)
    return cancelled
