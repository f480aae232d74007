"""Events that could not be recorded because the store did not answer: files that the router picks up later.

A callback of a pipeline must neither wait nor fail, and what it has to say must not be lost. Each event is one file,
written to a temporary name and renamed; it is deleted only after the transaction that recorded it has committed.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import uuid
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.lake.files import write_bytes
from smartgrid.notifications.once import record_once
from smartgrid.settings import Settings
from smartgrid.store.events import Event
from smartgrid.store.routing_tables import RecordedOnce

MOST_AT_ONCE = 200

log = logging.getLogger(__name__)


def folder(settings: Settings) -> Path:
    return settings.home / "notifications" / "spool"


def put(event: Event, once: str | None, settings: Settings) -> Path:
    """Keep `event` in a file; `once` is its key if another watcher may report it, too.

    Raises:
        OSError: the disk is full or read-only.
    """
    path = folder(settings) / f"{uuid.uuid4().hex}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"once": once or uuid.uuid4().hex, "event": dataclasses.asdict(event)}
    write_bytes(str(path), json.dumps(content).encode())
    return path


def drain(session: Session, settings: Settings) -> int:
    """Record what the files hold, in the caller's transaction, and delete those that an earlier one recorded."""
    try:
        paths = sorted(folder(settings).glob("*.json"))[:MOST_AT_ONCE]
    except OSError as error:
        log.warning("the spool of events cannot be read: %s", error)
        return 0
    recorded = 0
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            event = Event(**content["event"] | {"zones": tuple(content["event"]["zones"])})
            once = str(content["once"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s holds no event (%s); it is set aside", path, error)
            path.rename(path.with_suffix(".unreadable"))
            continue
        if session.scalar(select(RecordedOnce.once_key).where(RecordedOnce.once_key == once)) is not None:
            path.unlink(missing_ok=True)
        else:
            recorded += record_once(session, once, event) is not None
    return recorded
