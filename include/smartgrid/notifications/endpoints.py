"""Registered webhook receivers and their signing secrets."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications.channel import Endpoint
from smartgrid.notifications.errors import EndpointNameTaken, UnknownEndpoint
from smartgrid.notifications.lanes import ENDPOINT_PREFIX
from smartgrid.notifications.secrets_at_rest import decrypt, encrypt
from smartgrid.notifications.signing import new_secret
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import Settings, get_settings
from smartgrid.store import session
from smartgrid.store.notification_tables import EndpointRow, EndpointSecretRow


def create(name: str, url: str, by: str, secret: SecretStr | None = None) -> tuple[EndpointRow, SecretStr]:
    """Register a receiver. The secret is returned here and never again.

    Raises:
        EndpointNameTaken
    """
    secret = secret or SecretStr(new_secret())
    now = wall_clock()
    endpoint_id = ENDPOINT_PREFIX + secrets.token_hex(12)
    row = EndpointRow(endpoint_id=endpoint_id, name=name, url=url, created_at=now, created_by=by)
    try:
        with write_transaction() as transaction:
            transaction.add(row)
            transaction.flush()
            transaction.add(_secret_row(endpoint_id, secret, now))
    except IntegrityError:
        raise EndpointNameTaken(name) from None
    return row, secret


def rotate(endpoint_id: str, secret: SecretStr | None = None, overlap_s: float | None = None) -> SecretStr:
    """Give an endpoint a new secret; the one before goes on signing for `overlap_s` (default: the settings').

    Two are active at most: a third, from an earlier rotation, ends now.

    Raises:
        UnknownEndpoint
    """
    overlap_s = get_settings().outbox.secret_overlap_s if overlap_s is None else overlap_s
    secret = secret or SecretStr(new_secret())
    now = wall_clock()
    with write_transaction() as transaction:
        if transaction.get(EndpointRow, endpoint_id) is None:
            raise UnknownEndpoint(endpoint_id)
        newest_first = (
            select(EndpointSecretRow)
            .where(EndpointSecretRow.endpoint_id == endpoint_id)
            .order_by(EndpointSecretRow.secret_id.desc())
        )
        for place, old in enumerate(transaction.scalars(newest_first).all()):
            if place == 0 and overlap_s > 0:
                old.expires_at = now + timedelta(seconds=overlap_s)
            else:
                transaction.delete(old)
        transaction.add(_secret_row(endpoint_id, secret, now))
    return secret


def change(endpoint_id: str, *, url: str | None = None, enabled: bool | None = None, by: str = "") -> EndpointRow:
    """Move, disable or enable an endpoint again.

    Raises:
        UnknownEndpoint
    """
    with write_transaction() as transaction:
        row = transaction.get(EndpointRow, endpoint_id)
        if row is None:
            raise UnknownEndpoint(endpoint_id)
        if url is not None:
            row.url = url
        if enabled is True:
            row.disabled_at = row.disabled_reason = row.failing_since = None
        elif enabled is False and row.disabled_at is None:
            row.disabled_at, row.disabled_reason = wall_clock(), f"disabled by {by}"
        return row


def remove(endpoint_id: str) -> None:
    """Forget an endpoint and its secrets; what waits for it becomes dead letters.

    Raises:
        UnknownEndpoint
    """
    with write_transaction() as transaction:
        if transaction.get(EndpointRow, endpoint_id) is None:
            raise UnknownEndpoint(endpoint_id)
        transaction.execute(delete(EndpointSecretRow).where(EndpointSecretRow.endpoint_id == endpoint_id))
        transaction.execute(delete(EndpointRow).where(EndpointRow.endpoint_id == endpoint_id))


def known(endpoint_id: str) -> EndpointRow:
    """One endpoint.

    Raises:
        UnknownEndpoint
    """
    with session() as transaction:
        row = transaction.get(EndpointRow, endpoint_id)
    if row is None:
        raise UnknownEndpoint(endpoint_id)
    return row


def listed() -> Sequence[EndpointRow]:
    with session() as transaction:
        return transaction.scalars(select(EndpointRow).order_by(EndpointRow.name)).all()


def rows_of(transaction: Session, endpoint_ids: Collection[str]) -> dict[str, EndpointRow]:
    if not endpoint_ids:
        return {}
    found = transaction.scalars(select(EndpointRow).where(EndpointRow.endpoint_id.in_(endpoint_ids)))
    return {row.endpoint_id: row for row in found}


def active_secrets(
    transaction: Session, endpoint_ids: Collection[str], now: datetime, settings: Settings
) -> dict[str, tuple[SecretStr, ...]]:
    """The secrets that sign now, newest first, by endpoint.

    Raises:
        SecretUnreadable
    """
    if not endpoint_ids:
        return {}
    rows = transaction.scalars(
        select(EndpointSecretRow)
        .where(
            EndpointSecretRow.endpoint_id.in_(endpoint_ids),
            or_(EndpointSecretRow.expires_at.is_(None), EndpointSecretRow.expires_at > now),
        )
        .order_by(EndpointSecretRow.secret_id.desc())
    )
    found: dict[str, tuple[SecretStr, ...]] = {}
    for row in rows:
        secret = decrypt(row.ciphertext, f"endpoint {row.endpoint_id}", settings)
        found[row.endpoint_id] = (*found.get(row.endpoint_id, ()), secret)
    return found


def as_endpoint(row: EndpointRow, active: tuple[SecretStr, ...]) -> Endpoint:
    return Endpoint(row.endpoint_id, row.url, active)


def _secret_row(endpoint_id: str, secret: SecretStr, now: datetime) -> EndpointSecretRow:
    return EndpointSecretRow(endpoint_id=endpoint_id, ciphertext=encrypt(secret, get_settings()), created_at=now)
