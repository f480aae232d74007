"""From leased rows to what a channel is handed: text, registered endpoint, decrypted secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.notifications import endpoints, subscriptions
from smartgrid.notifications.channel import ChannelName, Delivery, Endpoint, Platform, Priority
from smartgrid.notifications.errors import DeliveryFailed, SecretUnreadable
from smartgrid.notifications.lanes import ENDPOINT_PREFIX, SUBSCRIPTION_PREFIX
from smartgrid.settings import Settings
from smartgrid.store.notification_tables import DeliveryRow, GoneRecipientRow, NotificationRow

Address = tuple[str, Endpoint | None]


def addressed(
    transaction: Session, rows: Sequence[DeliveryRow], now: datetime, settings: Settings
) -> list[tuple[DeliveryRow, Delivery | DeliveryFailed]]:
    """Each row with its delivery, or with why it cannot be sent: gone, disabled or removed recipient."""
    if not rows:
        return []
    texts = {
        row.notification_id: row
        for row in transaction.scalars(
            select(NotificationRow).where(NotificationRow.notification_id.in_({row.notification_id for row in rows}))
        )
    }
    addresses = _addresses(transaction, {row.recipient for row in rows}, now, settings)
    gone = {
        row.recipient_key: row.reason
        for row in transaction.scalars(
            select(GoneRecipientRow).where(GoneRecipientRow.recipient_key.in_({row.recipient_key for row in rows}))
        )
    }
    found: list[tuple[DeliveryRow, Delivery | DeliveryFailed]] = []
    for row in rows:
        address = addresses.get(row.recipient, (row.recipient, None))
        if row.recipient_key in gone:
            address = DeliveryFailed("permanent", f"the recipient is gone: {gone[row.recipient_key]}")
        if isinstance(address, DeliveryFailed):
            found.append((row, address))
        else:
            found.append((row, _delivery(row, texts[row.notification_id], address)))
    return found


def _addresses(
    transaction: Session, recipients: set[str], now: datetime, settings: Settings
) -> dict[str, Address | DeliveryFailed]:
    """Addresses of the registered ones among `recipients`."""
    endpoint_ids = {name for name in recipients if name.startswith(ENDPOINT_PREFIX)}
    subscription_ids = {name for name in recipients if name.startswith(SUBSCRIPTION_PREFIX)}
    found: dict[str, Address | DeliveryFailed] = dict.fromkeys(
        endpoint_ids | subscription_ids, DeliveryFailed("permanent", "the recipient was removed")
    )
    for endpoint_id, row in endpoints.rows_of(transaction, endpoint_ids).items():
        if row.disabled_at is not None:
            found[endpoint_id] = DeliveryFailed("permanent", f"the endpoint is disabled: {row.disabled_reason}")
            continue
        try:
            secrets = endpoints.active_secrets(transaction, [endpoint_id], now, settings)
        except SecretUnreadable as unreadable:
            found[endpoint_id] = DeliveryFailed("configuration", str(unreadable))
            continue
        found[endpoint_id] = row.url, endpoints.as_endpoint(row, secrets.get(endpoint_id, ()))
    for subscription_id, subscription in subscriptions.rows_of(transaction, subscription_ids).items():
        if subscription.disabled_at is not None:
            reason = f"the subscription is disabled: {subscription.disabled_reason}"
            found[subscription_id] = DeliveryFailed("permanent", reason)
            continue
        try:
            found[subscription_id] = subscriptions.address(subscription, settings)
        except SecretUnreadable as unreadable:
            found[subscription_id] = DeliveryFailed("configuration", str(unreadable))
    return found


def _delivery(row: DeliveryRow, text: NotificationRow, address: Address) -> Delivery:
    recipient, endpoint = address
    return Delivery(
        delivery_id=row.delivery_id,
        notification_id=row.notification_id,
        channel=cast("ChannelName", row.channel),
        recipient=recipient,
        message=text.message,
        created_at=row.created_at,
        platform=cast("Platform | None", row.platform),
        subject=text.subject,
        priority=cast("Priority", text.priority),
        data=text.data,
        expires_at=row.expires_at,
        attempt=row.attempts + 1,
        endpoint=endpoint,
    )
