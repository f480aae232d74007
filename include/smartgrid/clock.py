"""The only "now" of the project.

`wall`: the machine's clock. `replay`: data time, kept in `HOME/clock.json`; recorded data arrive as if live, one step
per ingest run. The replay clock only moves forward, so that a repeated step changes nothing.
"""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smartgrid.errors import SmartGridError
from smartgrid.settings import Settings, get_settings


class ClockNotStarted(SmartGridError):
    """The replay clock has no time yet: nothing was ingested."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"The replay clock has not started ({path} is missing). Run `smartgrid ingest` first.")


def _path(settings: Settings) -> Path:
    return settings.home / "clock.json"


def wall_clock() -> datetime:
    """The machine's time, UTC: for records and deadlines of the platform itself, which recorded data do not move."""
    return datetime.now(UTC)


def now(settings: Settings | None = None) -> datetime:
    """Current time, timezone-aware UTC.

    Raises:
        ClockNotStarted: under the replay clock, before the first ingest.
    """
    settings = settings or get_settings()
    if settings.clock == "wall":
        return datetime.now(UTC)
    path = _path(settings)
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ClockNotStarted(path) from None
    return datetime.fromisoformat(state["now"])


def started(settings: Settings | None = None) -> bool:
    """Whether `now()` can answer."""
    settings = settings or get_settings()
    return settings.clock == "wall" or _path(settings).exists()


def advance_to(moment: datetime, settings: Settings | None = None) -> datetime:
    """Move the replay clock forward to `moment` (never back) and return its time. The wall clock is left alone."""
    settings = settings or get_settings()
    if settings.clock == "wall":
        return now(settings)
    if started(settings):
        moment = max(moment, now(settings))
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its files are for their owner only, and containers read them as another user.
    temporary = path.parent / f".clock-{uuid.uuid4().hex}"
    with temporary.open("x", encoding="utf-8") as file:
        json.dump({"now": moment.astimezone(UTC).isoformat()}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return moment.astimezone(UTC)


def next_step(settings: Settings | None = None) -> timedelta:
    """How much data one scheduled ingest run covers under the replay clock."""
    settings = settings or get_settings()
    return timedelta(hours=settings.replay_step_h)
