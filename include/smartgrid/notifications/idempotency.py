"""Idempotency keys: the same request again gets the same answer and adds nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from smartgrid.notifications.transaction import is_sqlite
from smartgrid.store.notification_tables import IdempotencyRow

CallerKey = tuple[str, str]


@dataclass(frozen=True)
class Keyed:
    """One request with a key: a digest of its body, and the ids that are its answer."""

    caller: str
    key: str
    body_sha256: str
    ids: tuple[str, ...] = ()


def answered(transaction: Session, keys: Collection[CallerKey]) -> dict[CallerKey, Keyed]:
    """The earlier answers to `keys`. A key belongs to its caller: another one's is another key."""
    if not keys:
        return {}
    row = IdempotencyRow
    found = transaction.scalars(select(row).where(tuple_(row.caller, row.key).in_(list(keys))))
    return {(one.caller, one.key): Keyed(one.caller, one.key, one.body_sha256, tuple(one.answer)) for one in found}


def claim(transaction: Session, requests: Sequence[Keyed], now: datetime) -> set[CallerKey]:
    """Store the answers of new requests. Returns the keys that are ours; the others came in meanwhile elsewhere."""
    if not requests:
        return set()
    dialect = sqlite if is_sqlite(transaction) else postgresql
    values = [
        {
            "caller": request.caller,
            "key": request.key,
            "body_sha256": request.body_sha256,
            "answer": list(request.ids),
            "created_at": now,
        }
        for request in requests
    ]
    statement = (
        dialect.insert(IdempotencyRow).on_conflict_do_nothing().returning(IdempotencyRow.caller, IdempotencyRow.key)
    )
    return {(row.caller, row.key) for row in transaction.execute(statement, values)}
