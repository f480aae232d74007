"""What became of attempts, recorded: one transaction for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from smartgrid.notifications.channel import Priority, Receipt
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.lanes import ENDPOINT_PREFIX, RANKS, SUBSCRIPTION_PREFIX, queue_of
from smartgrid.notifications.schedule import RECONCILE_AFTER_S, schedule_for
from smartgrid.settings import Settings
from smartgrid.store.notification_tables import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    GoneRecipientRow,
    SubscriptionRow,
)

LONGEST_DETAIL = 500
PRIORITIES_BY_RANK: dict[int, Priority] = {rank: priority for priority, rank in RANKS.items()}


@dataclass(frozen=True)
class Outcome:
    """One attempt: a receipt, a failure, or neither when the provider surely does not have the message."""

    row: DeliveryRow
    started_at: datetime
    latency_s: float
    result: Receipt | DeliveryFailed | None


def record(transaction: Session, outcomes: Sequence[Outcome], worker: str, now: datetime, settings: Settings) -> None:
    """Record attempts and what follows from each.

    A success counts even if the lease was lost meanwhile: the message is with its recipient. Anything else counts
    only while the lease is held, because another worker may be at it.
    """
    if not outcomes:
        return
    delivered = [_delivered(outcome, now) for outcome in outcomes if isinstance(outcome.result, Receipt)]
    others = [_other(outcome, now, settings) for outcome in outcomes if not isinstance(outcome.result, Receipt)]
    if delivered:
        transaction.execute(_DELIVERED, delivered, execution_options={"synchronize_session": False})
    if others:
        parameters = [{**other, "b_owner": worker} for other in others]
        transaction.execute(_OTHERS, parameters, execution_options={"synchronize_session": False})
    transaction.execute(insert(AttemptRow.__table__), [_attempt(outcome, worker) for outcome in outcomes])  # type: ignore[arg-type]
    _mark_recipients(transaction, outcomes, now)
    _watch_endpoints(transaction, outcomes, now, settings)


_table = DeliveryRow.__table__.c
_DELIVERED = (
    update(DeliveryRow.__table__)  # type: ignore[arg-type]
    .where(_table.delivery_id == bindparam("b_id"), _table.finished_at.is_(None))
    .values(
        state="delivered",
        queue=None,
        lease_until=None,
        lease_owner=None,
        reason=None,
        attempts=bindparam("b_attempts"),
        finished_at=bindparam("b_now"),
        updated_at=bindparam("b_now"),
        provider_id=bindparam("b_provider_id"),
        provider_status=bindparam("b_provider_status"),
    )
)
_OTHERS = (
    update(DeliveryRow.__table__)  # type: ignore[arg-type]
    .where(
        _table.delivery_id == bindparam("b_id"), _table.state == "leased", _table.lease_owner == bindparam("b_owner")
    )
    .values(
        state=bindparam("b_state"),
        queue=bindparam("b_queue"),
        lease_until=None,
        lease_owner=None,
        reason=bindparam("b_reason"),
        attempts=bindparam("b_attempts"),
        due_at=bindparam("b_due_at"),
        finished_at=bindparam("b_finished_at"),
        updated_at=bindparam("b_now"),
        handed_over_at=bindparam("b_handed_over_at"),
    )
)


def _delivered(outcome: Outcome, now: datetime) -> dict[str, Any]:
    assert isinstance(outcome.result, Receipt)
    return {
        "b_id": outcome.row.delivery_id,
        "b_attempts": outcome.row.attempts + 1,
        "b_now": now,
        "b_provider_id": _short(outcome.result.provider_id, 256),
        "b_provider_status": _short(outcome.result.status, 64),
    }


def _other(outcome: Outcome, now: datetime, settings: Settings) -> dict[str, Any]:
    """The new state after a failure, or after it was found out that an ambiguous message was not sent."""
    row, failure = outcome.row, outcome.result
    # As it was when leased: its fate was unknown, and this attempt asked the provider about it.
    attempts, asked = row.attempts + 1, row.handed_over_at is not None
    state, due_at, reason, handed_over_at = "pending", now, None, None
    if isinstance(failure, DeliveryFailed):
        reason = _short(failure.reason, LONGEST_DETAIL)
        if asked and failure.kind != "retry":
            state, reason = "dead", f"ambiguous: {reason}"
        elif asked or failure.kind == "ambiguous":
            state, due_at = _ask_again(attempts, failure, now)
            reason, handed_over_at = f"ambiguous: {reason}", row.handed_over_at or outcome.started_at
        elif failure.kind == "retry":
            schedule = schedule_for(PRIORITIES_BY_RANK[row.rank], settings)
            wait_s = schedule.wait_s(attempts, failure.retry_after_s)
            due_at = now + timedelta(seconds=wait_s or 0)
            if wait_s is None:
                state, reason = "dead", f"gave up after {attempts} attempts: {reason}"
            elif due_at >= row.expires_at:
                state, reason = "dead", f"expires before the next attempt: {reason}"
        else:
            state = "dead"
    return {
        "b_id": row.delivery_id,
        "b_state": state,
        "b_queue": queue_of(row.rank, row.lane) if state in ("pending", "ambiguous") else None,
        "b_reason": reason,
        "b_attempts": attempts,
        "b_due_at": due_at,
        "b_finished_at": now if state == "dead" else None,
        "b_now": now,
        "b_handed_over_at": handed_over_at,
    }


def _ask_again(attempts: int, failure: DeliveryFailed, now: datetime) -> tuple[str, datetime]:
    """When to ask the provider about a message of unknown fate; dead when it will never be known."""
    asked = attempts - 1
    if asked >= len(RECONCILE_AFTER_S):
        return "dead", now
    return "ambiguous", now + timedelta(seconds=max(RECONCILE_AFTER_S[asked], failure.retry_after_s or 0))


def _attempt(outcome: Outcome, worker: str) -> dict[str, Any]:
    result = outcome.result
    kind, status, detail, provider_id = "retry", None, "the provider does not have it: it is sent again", None
    if isinstance(result, Receipt):
        kind, detail, provider_id = "delivered", result.detail or result.status, result.provider_id
    elif isinstance(result, DeliveryFailed):
        kind, status, detail = result.kind, result.status, result.reason
    return {
        "delivery_id": outcome.row.delivery_id,
        "number": outcome.row.attempts + 1,
        "started_at": outcome.started_at,
        "latency_ms": int(outcome.latency_s * 1000),
        "outcome": kind,
        "status": status,
        "detail": _short(detail, LONGEST_DETAIL) or "",
        "provider_id": _short(provider_id, 256),
        "worker": worker,
    }


def _mark_recipients(transaction: Session, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Disable recipients of which the provider said that they are gone."""
    for outcome in outcomes:
        failure, row = outcome.result, outcome.row
        if not isinstance(failure, DeliveryFailed) or not failure.disables_recipient:
            continue
        reason = _short(failure.reason, LONGEST_DETAIL) or "gone"
        registered: EndpointRow | SubscriptionRow | None = None
        if row.recipient.startswith(ENDPOINT_PREFIX):
            registered = transaction.get(EndpointRow, row.recipient)
        elif row.recipient.startswith(SUBSCRIPTION_PREFIX):
            registered = transaction.get(SubscriptionRow, row.recipient)
        elif transaction.get(GoneRecipientRow, row.recipient_key) is None:
            transaction.add(
                GoneRecipientRow(
                    recipient_key=row.recipient_key,
                    channel=row.channel,
                    recipient=row.recipient,
                    since=now,
                    reason=reason,
                )
            )
        if registered is not None and registered.disabled_at is None:
            registered.disabled_at, registered.disabled_reason = now, reason
        transaction.flush()


def _watch_endpoints(transaction: Session, outcomes: Sequence[Outcome], now: datetime, settings: Settings) -> None:
    """Disable a registered endpoint that has only failed for days."""
    ours = [outcome for outcome in outcomes if outcome.row.recipient.startswith(ENDPOINT_PREFIX)]
    well = {outcome.row.recipient for outcome in ours if isinstance(outcome.result, Receipt)}
    ill = {outcome.row.recipient for outcome in ours if isinstance(outcome.result, DeliveryFailed)} - well
    if well:
        failing = EndpointRow.endpoint_id.in_(well), EndpointRow.failing_since.is_not(None)
        transaction.execute(update(EndpointRow).where(*failing).values(failing_since=None))
    if not ill:
        return
    patience = timedelta(seconds=settings.outbox.disable_after_failing_s)
    for row in transaction.scalars(select(EndpointRow).where(EndpointRow.endpoint_id.in_(ill))):
        row.failing_since = row.failing_since or now
        if row.disabled_at is None and now - row.failing_since >= patience:
            row.disabled_at = now
            row.disabled_reason = f"only failures since {row.failing_since:%Y-%m-%d %H:%M} UTC"


def _short(value: str | None, most: int) -> str | None:
    """At most `most` characters, without those that no database or page should have to bear."""
    if value is None:
        return None
    return "".join(character if character.isprintable() else " " for character in value[:most])
