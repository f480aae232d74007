"""Devices and browsers that want pushes. Tokens and keys are stored encrypted: who has them can send."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Sequence

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications.channel import Endpoint, Platform
from smartgrid.notifications.errors import UnknownSubscription
from smartgrid.notifications.lanes import SUBSCRIPTION_PREFIX
from smartgrid.notifications.secrets_at_rest import decrypt, encrypt
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import Settings, get_settings
from smartgrid.store import session
from smartgrid.store.notification_tables import SubscriptionRow


def subscribe_device(platform: Platform, token: str, owner: str, label: str = "") -> SubscriptionRow:
    """Register a device's token (fcm, apns). The same token again is the same subscription, enabled again."""
    return _subscribe(platform, token, {"token": token}, owner, label)


def subscribe_browser(url: str, p256dh: str, auth: str, owner: str, label: str = "") -> SubscriptionRow:
    """Register a browser's `PushSubscription`: address of its push service, public key and secret."""
    return _subscribe("webpush", url, {"url": url, "p256dh": p256dh, "auth": auth}, owner, label)


def unsubscribe(subscription_id: str, owner: str | None = None) -> None:
    """Forget a subscription; with `owner`, only if it is theirs.

    Raises:
        UnknownSubscription
    """
    with write_transaction() as transaction:
        row = transaction.get(SubscriptionRow, subscription_id)
        if row is None or owner not in (None, row.owner):
            raise UnknownSubscription(subscription_id)
        transaction.delete(row)


def listed(owner: str | None = None) -> Sequence[SubscriptionRow]:
    query = select(SubscriptionRow).order_by(SubscriptionRow.created_at)
    with session() as transaction:
        return transaction.scalars(query if owner is None else query.where(SubscriptionRow.owner == owner)).all()


def rows_of(transaction: Session, subscription_ids: Collection[str]) -> dict[str, SubscriptionRow]:
    if not subscription_ids:
        return {}
    found = transaction.scalars(select(SubscriptionRow).where(SubscriptionRow.subscription_id.in_(subscription_ids)))
    return {row.subscription_id: row for row in found}


def address(row: SubscriptionRow, settings: Settings) -> tuple[str, Endpoint | None]:
    """Recipient and endpoint of a delivery to this subscription: a device's token, or a browser's endpoint.

    Raises:
        SecretUnreadable
    """
    plain = decrypt(row.ciphertext, f"subscription {row.subscription_id}", settings)
    known: dict[str, str] = json.loads(plain.get_secret_value())
    if "token" in known:
        return known["token"], None
    keys = {name: SecretStr(known[name]) for name in ("p256dh", "auth")}
    return row.subscription_id, Endpoint(row.subscription_id, known["url"], keys=keys)


def _subscribe(platform: Platform, unique: str, secret: dict[str, str], owner: str, label: str) -> SubscriptionRow:
    digest = hashlib.sha256(f"{platform}\0{unique}".encode()).hexdigest()
    ciphertext = encrypt(SecretStr(json.dumps(secret)), get_settings())
    with write_transaction() as transaction:
        row = transaction.scalar(select(SubscriptionRow).where(SubscriptionRow.token_sha256 == digest))
        if row is None:
            row = SubscriptionRow(
                subscription_id=SUBSCRIPTION_PREFIX + secrets.token_hex(12),
                platform=platform,
                token_sha256=digest,
                created_at=wall_clock(),
            )
            transaction.add(row)
        row.owner, row.label, row.ciphertext = owner, label, ciphertext
        row.disabled_at = row.disabled_reason = None
        return row
