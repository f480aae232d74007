"""What the routing remembers is forgotten when it is old: events with their decisions, closed incidents, silences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, exists, select
from sqlalchemy.orm import Session

from smartgrid.notifications.transaction import write_transaction
from smartgrid.store.events import EventRow
from smartgrid.store.routing_tables import (
    Condition,
    Incident,
    IncidentCondition,
    RecordedOnce,
    RoutingDecision,
    SilenceRow,
)

CHUNK = 500


def forget_routing(before: datetime) -> dict[str, int]:
    """Delete what ended before `before`; how many rows of each. What is open, or waits to be told, is kept."""
    waiting = exists().where(RoutingDecision.event_id == EventRow.event_id, RoutingDecision.outcome == "waiting")
    open_incident = exists().where(
        IncidentCondition.condition_key == Condition.condition_key,
        IncidentCondition.incident_id == Incident.incident_id,
        Incident.closed_at.is_(None),
    )
    return {
        "events": _in_chunks(select(EventRow.event_id).where(EventRow.routed_at < before, ~waiting), _events),
        "incidents": _in_chunks(select(Incident.incident_id).where(Incident.closed_at < before), _incidents),
        "conditions": _in_chunks(
            select(Condition.condition_key).where(Condition.last_seen_at < before, ~open_incident), _conditions
        ),
        "silences": _in_chunks(select(SilenceRow.silence_id).where(SilenceRow.expires_at < before), _silences),
        "recorded_once": _in_chunks(select(RecordedOnce.once_key).where(RecordedOnce.recorded_at < before), _once),
    }


def _in_chunks(old: Select[Any], remove: Callable[[Session, list[object]], None]) -> int:
    """Small transactions: SQLite has one writer, and messages must not wait behind the cleaning."""
    total = 0
    while True:
        with write_transaction() as transaction:
            keys: list[object] = list(transaction.scalars(old.limit(CHUNK)))
            if keys:
                remove(transaction, keys)
        total += len(keys)
        if len(keys) < CHUNK:
            return total


def _events(transaction: Session, keys: list[object]) -> None:
    transaction.execute(delete(RoutingDecision).where(RoutingDecision.event_id.in_(keys)))
    transaction.execute(delete(EventRow).where(EventRow.event_id.in_(keys)))


def _incidents(transaction: Session, keys: list[object]) -> None:
    transaction.execute(delete(IncidentCondition).where(IncidentCondition.incident_id.in_(keys)))
    transaction.execute(delete(Incident).where(Incident.incident_id.in_(keys)))


def _conditions(transaction: Session, keys: list[object]) -> None:
    transaction.execute(delete(Condition).where(Condition.condition_key.in_(keys)))


def _silences(transaction: Session, keys: list[object]) -> None:
    transaction.execute(delete(SilenceRow).where(SilenceRow.silence_id.in_(keys)))


def _once(transaction: Session, keys: list[object]) -> None:
    transaction.execute(delete(RecordedOnce).where(RecordedOnce.once_key.in_(keys)))
