"""What providers report later about messages that they took."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications.transaction import write_transaction
from smartgrid.notifications.twilio_callbacks import error_of
from smartgrid.store.notification_tables import AttemptRow, DeliveryRow, GoneRecipientRow

FAILED = frozenset({"failed", "undelivered", "canceled"})
# Words of a provider in the order in which they happen: a late report must not take back a later one.
_ORDER = ("accepted", "scheduled", "queued", "sending", "sent", "delivered", "read")


def delivery_status(provider_id: str, status: str, error_code: str | None = None) -> bool:
    """Note what the provider says of one of its messages; a failed one becomes a dead letter. False: not ours."""
    now = wall_clock()
    with write_transaction() as transaction:
        row = transaction.scalar(select(DeliveryRow).where(DeliveryRow.provider_id == provider_id).with_for_update())
        if row is None:
            return False
        if row.provider_status == status or row.provider_status in FAILED or _older(status, row.provider_status):
            return True
        row.provider_status, row.updated_at = status[:64], now
        error = error_of(error_code)
        detail = f"the provider reports {status[:64]}" + (f": {error.text}" if error else "")
        if status in FAILED and row.state == "delivered":
            row.state, row.finished_at, row.reason = "dead", now, detail
            if error is not None and error.of_the_number:
                _give_up_recipient(transaction, row, detail, now)
        note = {
            "delivery_id": row.delivery_id,
            "number": row.attempts,
            "started_at": now,
            "latency_ms": 0,
            "outcome": "callback",
            "detail": detail,
            "provider_id": provider_id,
        }
        transaction.execute(insert(AttemptRow), [note])
    return True


def _give_up_recipient(transaction: Session, row: DeliveryRow, reason: str, now: datetime) -> None:
    """No more messages to a number of which the provider says that it is gone."""
    if transaction.get(GoneRecipientRow, row.recipient_key) is None:
        transaction.add(
            GoneRecipientRow(
                recipient_key=row.recipient_key, channel=row.channel, recipient=row.recipient, since=now, reason=reason
            )
        )


def _older(status: str, known: str | None) -> bool:
    return status in _ORDER and known in _ORDER and _ORDER.index(status) < _ORDER.index(known)
