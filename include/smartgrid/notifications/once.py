"""Events that two watchers may report, or one watcher twice: only the first report is recorded."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications.transaction import is_sqlite
from smartgrid.store.events import Event, EventRow, record_event
from smartgrid.store.routing_tables import RecordedOnce


def once_key(*parts: object) -> str:
    """One key for all the parts; no choice of parts can be mistaken for another."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.hexdigest()


def claim(session: Session, key: str, now: datetime | None = None) -> bool:
    """True for the first caller with `key`, if its transaction commits; a second waits for that and gets False."""
    dialect = sqlite if is_sqlite(session) else postgresql
    statement = (
        dialect.insert(RecordedOnce)
        .values(once_key=key, recorded_at=now or wall_clock())
        .on_conflict_do_nothing(index_elements=["once_key"])
        .returning(RecordedOnce.once_key)
    )
    return session.scalar(statement) is not None


def record_once(session: Session, key: str, event: Event) -> EventRow | None:
    """Record `event` unless one with this key is recorded; None if it was."""
    return record_event(session, event) if claim(session, key) else None
