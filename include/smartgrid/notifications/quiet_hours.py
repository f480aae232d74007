"""Hours in which only the grave is told at once; the rest waits for the morning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from smartgrid.store.events import SEVERITIES, Severity

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


class Hours(BaseModel):
    """A span of the day, over midnight where `end` is not after `start`; `days` are those on which it begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: time = Field(description="local time of the grid, e.g. '22:00'")
    end: time = Field(description="local time; the span ends before it")
    days: tuple[Day, ...] = DAYS

    @field_validator("start", "end", mode="before")
    @classmethod
    def _quoted(cls, value: object) -> object:
        # YAML 1.1 reads an unquoted 22:00 as the number 1320.
        if isinstance(value, int):
            raise ValueError("write the time in quotes, e.g. '22:00'")
        return value

    def end_of(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """When the span that holds `moment` ends; None outside of it. Wall-clock times, so summer time is no matter.

        >>> night = Hours(start=time(22), end=time(6))
        >>> from datetime import UTC
        >>> night.end_of(datetime(2024, 1, 1, 23, tzinfo=UTC), ZoneInfo("UTC")).isoformat()
        '2024-01-02T06:00:00+00:00'
        """
        local = moment.astimezone(zone)
        for back in (0, 1):
            began = local.date() - timedelta(days=back)
            if DAYS[began.weekday()] not in self.days:
                continue
            last = began if self.end > self.start else began + timedelta(days=1)
            start = datetime.combine(began, self.start, tzinfo=zone)
            end = datetime.combine(last, self.end, tzinfo=zone)
            if start <= local < end:
                return end
        return None


class QuietHours(Hours):
    """Quiet hours; events of `passes` and worse are told at once all the same."""

    passes: Severity = "critical"


def quiet_until(quiet: Sequence[QuietHours], severity: str, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """Until when an event of `severity` has to wait, None if it is told at once."""
    ends = [
        end
        for hours in quiet
        if SEVERITIES.index(severity) < SEVERITIES.index(hours.passes)
        and (end := hours.end_of(moment, zone)) is not None
    ]
    return max(ends, default=None)
