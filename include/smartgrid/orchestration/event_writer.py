"""Writes an event from inside Airflow: within two seconds, once, and never failing its caller.

A store that does not answer in time is not waited for: the event goes to a file that the notification worker picks up.
Own short-lived connections: Airflow forks its workers, and a pooled connection must not be shared with a child.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from smartgrid.store.events import Event

WAIT_S = 2

log = logging.getLogger(__name__)


def write(event: Event, once: str, mark: str | None = None) -> bool:
    """Record `event`; False if one with the key `once` was recorded before, or if it had to go to the spool.

    `mark` is a second key, for whoever wants to know later whether such an event exists (see `is_marked`).
    """
    from sqlalchemy.exc import SQLAlchemyError

    from smartgrid.notifications.once import claim, record_once

    try:
        with impatient_session() as session:
            recorded = record_once(session, once, event) is not None
            if recorded and mark is not None:
                claim(session, mark)
            return recorded
    except SQLAlchemyError as error:
        log.warning("the store does not take the event now (%s); it is kept in a file", type(error).__name__)
        _spool(event, once)
        return False


def is_marked(mark: str) -> bool:
    """Whether an event with this mark was recorded; False where the store does not answer."""
    from sqlalchemy.exc import SQLAlchemyError

    from smartgrid.store.routing_tables import RecordedOnce

    try:
        with impatient_session() as session:
            return session.get(RecordedOnce, mark) is not None
    except SQLAlchemyError as error:
        log.warning("the store does not answer (%s)", type(error).__name__)
        return False


def _spool(event: Event, once: str) -> None:
    from smartgrid.notifications import spool
    from smartgrid.settings import get_settings

    try:
        spool.put(event, once, get_settings())
    except OSError as error:
        # Nothing is left to write to but the log of the task.
        log.error("event lost: %s: %s (%s)", event.kind, event.subject, error)


@contextmanager
def impatient_session() -> Iterator[Session]:
    """A transaction on the store that gives up after `WAIT_S`."""
    from sqlalchemy.orm import Session

    from smartgrid.settings import get_settings

    with Session(_engine(get_settings().store_dsn), expire_on_commit=False) as session, session.begin():
        yield session


@lru_cache(maxsize=2)
def _engine(dsn: str) -> Engine:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import NullPool

    url = make_url(dsn)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        arguments: dict[str, object] = {"timeout": WAIT_S}
    else:
        milliseconds = WAIT_S * 1000
        options = f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds}"
        arguments = {"connect_timeout": WAIT_S, "options": options}
    return create_engine(url, poolclass=NullPool, connect_args=arguments)
