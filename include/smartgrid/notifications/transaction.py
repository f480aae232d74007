"""Write transactions that read first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from smartgrid.store import session

ROUTING_LOCK = 0x736D_6E01
# What a store that is away, full or locked raises. Anything else is a defect, and is not waited out.
STORE_AWAY = (OperationalError, InterfaceError)


@contextmanager
def write_transaction() -> Iterator[Session]:
    """One transaction that will write.

    SQLite takes its write lock at the beginning: a transaction that reads first and writes afterwards fails at once
    if another one wrote in between, however long it is willing to wait.
    """
    with session() as transaction:
        if is_sqlite(transaction):
            transaction.execute(text("BEGIN IMMEDIATE"))
        yield transaction


def is_sqlite(transaction: Session) -> bool:
    return transaction.get_bind().dialect.name == "sqlite"


def alone(transaction: Session, lock: int) -> bool:
    """Whether this transaction is the only one that holds `lock`. SQLite has one writer anyway."""
    if is_sqlite(transaction):
        return True
    return bool(transaction.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock}))
