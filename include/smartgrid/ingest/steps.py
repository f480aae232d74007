"""Steps of ingest: which window is next, and landing it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import inspect

from smartgrid import clock
from smartgrid.errors import NothingToDo
from smartgrid.ingest.batch import frontier, land
from smartgrid.ingest.plan import next_window
from smartgrid.ingest.source import Source, open_source
from smartgrid.ingest.weather import HORIZON, weather_rows
from smartgrid.lake import Window, upsert_weather
from smartgrid.settings import Settings, get_settings
from smartgrid.store import migrate
from smartgrid.store.engine import engine

log = logging.getLogger(__name__)


def plan() -> dict[str, Any]:
    """The next window as {"start", "end"}, ISO 8601 in UTC.

    Raises:
        NothingToDo: no new data.
    """
    settings = get_settings()
    prepare_store()
    source = open_source(settings)
    window = next_window(source, settings, frontier(source.name))
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}


def ingest(start: str, end: str) -> dict[str, Any]:
    """Land the readings of [start, end) and move the replay clock to `end`. Safe to repeat."""
    settings = get_settings()
    prepare_store()
    return ingest_window(open_source(settings), Window(start, end), settings)


def ingest_window(source: Source, window: Window, settings: Settings, *, move_clock: bool = True) -> dict[str, Any]:
    """`ingest` of an opened source: {"batch_id", "dataset", "late_rows", "weather_rows"}.

    Raises:
        NothingToDo: under the wall clock, where the source has nothing new yet.
    """
    replay = settings.clock == "replay"
    known_at = _known_at(window.end, settings)
    rows = source.read(window)
    # Delayed readings have a later anchor than their time: look further than the horizon to find all of it.
    coming = source.read(Window(window.end, window.end + 2 * HORIZON))
    weather = weather_rows(rows, coming, window.end, replay)
    # The weather comes first: a batch that is recorded is complete. Every part is an upsert or finds itself done.
    if not weather.is_empty():
        upsert_weather(settings.lake_root, weather)
    if rows.is_empty() and not replay:
        # Meters that report once a day: the window stays open and the next run covers it too.
        raise NothingToDo(f"{source.name} has no new readings between {window.start} and {window.end}")
    interval = timedelta(minutes=settings.source.interval_minutes)
    landed = land(settings.lake_root, source.name, window, rows, known_at, interval)
    source.remember(window.end)
    if move_clock:
        clock.advance_to(window.end, settings)
    unreadable = rows.filter(pl.any_horizontal(pl.col("^raw_.*$").is_not_null())).height
    log.info("%s: %d rows (%d unreadable) of %s", landed.batch_id, rows.height, unreadable, window)
    return {
        "batch_id": landed.batch_id,
        "dataset": landed.dataset.model_dump(mode="json"),
        "late_rows": landed.late_rows,
        "weather_rows": weather.height,
    }


def prepare_store() -> None:
    """A first ingest on an empty store makes its tables."""
    if not inspect(engine()).has_table("batches"):
        migrate()


def _known_at(end: datetime, settings: Settings) -> datetime:
    """When the rows of this ingest became known: the replay clock is about to move to `end`."""
    if settings.clock == "wall":
        return clock.now(settings)
    return max(end, clock.now(settings)) if clock.started(settings) else end
