"""Which window to ingest next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from smartgrid import clock
from smartgrid.errors import ConfigurationError, NothingToDo
from smartgrid.ingest.source import LATE, Source
from smartgrid.lake.window import Window
from smartgrid.settings import Settings

# Local midnights after which the embedded data arrive day by day: GEFCom2012 then shows the step of zone 10 at
# 2008-01-01, BigDEAL2022 eight weeks with day-ahead temperature forecasts.
_REPLAY_STARTS = {"gefcom2012": datetime(2007, 12, 1), "bigdeal2022": datetime(2018, 9, 3)}  # noqa: DTZ001 - local


def next_window(source: Source, settings: Settings, frontier: datetime | None) -> Window:
    """The window after `frontier`, the end of the last ingested one (None: nothing was ingested).

    Raises:
        NothingToDo: everything was ingested.
    """
    if settings.clock == "wall":
        return _until_now(source, settings, frontier)
    span = source.span()
    if frontier is None:
        return Window(span.start, _replay_start(span, settings))
    if frontier < span.end:
        return Window(frontier, min(frontier + clock.next_step(settings), span.end))
    # The recorded data are used up; files that were added or corrected since then still count.
    last = Window(max(frontier - clock.next_step(settings), min(span.start, frontier - timedelta(hours=1))), frontier)
    if source.read(last).filter(pl.col(LATE)).is_empty():
        raise NothingToDo(f"{source.name}: all data were replayed, up to {frontier.isoformat()}")
    return last


def _until_now(source: Source, settings: Settings, frontier: datetime | None) -> Window:
    interval_s = settings.source.interval_minutes * 60
    now = clock.now(settings).timestamp()
    end = datetime.fromtimestamp(now - now % interval_s, UTC)
    start = frontier if frontier is not None else source.span().start
    if start >= end:
        raise NothingToDo(f"{source.name}: ingested up to {start.isoformat()}; no interval has ended since")
    return Window(start, end)


def _replay_start(span: Window, settings: Settings) -> datetime:
    """Where history ends and the replay begins."""
    local: ZoneInfo = settings.grid_timezone
    start = settings.replay_start
    if start is None and settings.source.kind in _REPLAY_STARTS:
        start = _REPLAY_STARTS[settings.source.kind].replace(tzinfo=local)
    if start is not None:
        if start <= span.start:
            raise ConfigurationError([f"replay_start: {start.isoformat()} leaves no history; the data are {span}"])
        return min(start.astimezone(UTC), span.end)
    midnight = span.end.astimezone(local).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    # Less than a day of history before that midnight is no use: take everything.
    return midnight if midnight - span.start >= timedelta(days=1) else span.end
