"""What the row checks need to know, as plain numbers: no settings, clock or store inside the checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from smartgrid.fields import LOAD_KW, TEMPERATURE_C
from smartgrid.settings import Limits, Settings

MICROSECONDS_PER_MINUTE = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in microseconds since 1970 UTC, as in the arrays that the checks work on.

    `grid_phases_us`: what `time % interval_us` may be. Zones such as Asia/Kolkata start their hours at :30 UTC.
    """

    interval_us: int
    future_from_us: int
    grid_phases_us: tuple[int, ...] = (0,)
    limits: Limits = field(default_factory=lambda: Limits())
    load_max_kw: float = LOAD_KW.maximum or float("inf")
    temperature_min_c: float = TEMPERATURE_C.minimum or float("-inf")
    temperature_max_c: float = TEMPERATURE_C.maximum or float("inf")

    @property
    def flat_line_readings(self) -> int:
        """How many identical readings make a flat line."""
        return max(2, round(self.limits.flat_line_h * 60 * MICROSECONDS_PER_MINUTE / self.interval_us))


def rules_for(settings: Settings, future_from: datetime) -> Rules:
    """Rules of a batch whose readings must lie before `future_from`."""
    interval_us = settings.source.interval_minutes * MICROSECONDS_PER_MINUTE
    phases = _phases(interval_us, [settings.grid_timezone, ZoneInfo(settings.source_timezone)], future_from)
    return Rules(
        interval_us=interval_us,
        future_from_us=microseconds(future_from),
        grid_phases_us=phases,
        limits=settings.limits,
    )


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a timezone-aware time."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _phases(interval_us: int, zones: list[ZoneInfo], around: datetime) -> tuple[int, ...]:
    """Intervals start at local midnight; an offset such as +05:30 or +05:45 shifts them against the UTC hour."""
    phases = {0}
    for zone in zones:
        for months in range(0, 12, 3):  # summer and winter
            offset = (around - timedelta(days=30 * months)).astimezone(zone).utcoffset() or timedelta()
            phases.add(-int(offset.total_seconds() * 1_000_000) % interval_us)
    return tuple(sorted(phases))
