"""What people hear of refreshes: one that did not complete, the end of that trouble, a spent budget."""

from __future__ import annotations

from datetime import datetime

from smartgrid.store.events import Event
from smartgrid.store.powerbi_tables import PowerBiRefresh

WORDS = {
    "failed": "failed",
    "cancelled": "was cancelled",
    "disabled": "is disabled at the service",
    "timed_out": "took too long and was ended by the service",
    "unknown": "was accepted, but the service never listed it",
}


def refresh_ended(refresh: PowerBiRefresh, state_before: str | None) -> Event | None:
    """The event of an ended refresh; None for one that completed as the one before did."""
    dataset = refresh.dataset_id
    facts = {
        "dataset_id": dataset,
        "workspace_id": refresh.workspace_id,
        "state": refresh.state,
        "service_id": refresh.service_ids[0] if refresh.service_ids else None,
    }
    key = f"powerbi-refresh/{refresh.workspace_id}/{dataset}"
    if refresh.state == "completed":
        if state_before in (None, "completed"):
            return None
        return Event(
            "powerbi_refresh_completed",
            "low",
            f"Power BI dataset {dataset} refreshes again",
            dedupe_key=key,
            data=facts,
            resolves=True,
        )
    # Somebody of ours asked for the cancellation: worth a record, not a call at night.
    severity = "low" if refresh.cancel_asked_at is not None else "high"
    return Event(
        "powerbi_refresh_failed",
        severity,  # type: ignore[arg-type]
        f"Refresh of Power BI dataset {dataset} {WORDS.get(refresh.state, refresh.state)}",
        refresh.detail,
        dedupe_key=key,
        data=facts,
    )


def not_started(workspace_id: str, dataset_id: str, state: str, detail: str) -> Event:
    """The service refused a start, or never answered one."""
    return Event(
        "powerbi_refresh_failed",
        "high",
        f"Refresh of Power BI dataset {dataset_id} could not be started",
        detail,
        dedupe_key=f"powerbi-refresh/{workspace_id}/{dataset_id}",
        data={"dataset_id": dataset_id, "workspace_id": workspace_id, "state": state, "service_id": None},
    )


def budget_spent(dataset_id: str, budget: int, free_at: datetime) -> Event:
    return Event(
        "powerbi_budget_spent",
        "low",
        f"Power BI dataset {dataset_id} was not refreshed: {budget} refreshes in 24 hours are spent",
        f"The next refresh may start at {free_at:%Y-%m-%d %H:%M} UTC.",
        dedupe_key=f"powerbi-budget/{dataset_id}",
        data={"dataset_id": dataset_id, "budget": budget, "free_at": free_at.isoformat()},
    )
