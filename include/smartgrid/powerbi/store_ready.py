"""The tables of this room exist, also when the first users are many processes at once."""

from __future__ import annotations

import fcntl

from sqlalchemy import inspect

from smartgrid.settings import get_settings
from smartgrid.store import migrate
from smartgrid.store.engine import engine
from smartgrid.store.powerbi_tables import PowerBiExport


def store_ready() -> None:
    """Migrate the store where it lacks our newest table; one process at a time."""
    if inspect(engine()).has_table(PowerBiExport.__tablename__):
        return
    home = get_settings().home
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".store-migration.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not inspect(engine()).has_table(PowerBiExport.__tablename__):
            migrate()
