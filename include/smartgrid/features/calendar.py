"""Local days, slots of the day and public holidays."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.errors import SmartGridError

EPOCH = date(1970, 1, 1)


class UnknownHolidayCalendar(SmartGridError):
    """No public holidays are known for this code."""

    exit_code = 2

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(
            f"No holiday calendar {code!r}. Set SMARTGRID_HOLIDAYS to a country or country-subdivision such as US, "
            "DE or DE-BW, or leave it unset."
        )


def local_midnight(moment: datetime, timezone: ZoneInfo) -> datetime:
    """The last local midnight at or before `moment`."""
    local = moment.astimezone(timezone)
    return datetime(local.year, local.month, local.day, tzinfo=timezone)


def next_midnight(midnight: datetime, timezone: ZoneInfo) -> datetime:
    """The local midnight after a local midnight; 23 or 25 hours later when clocks change."""
    following = midnight.astimezone(timezone).date() + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=timezone)


def days_and_slots(
    times: pl.Series, timezone: str, interval_minutes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Local day (days since 1970-01-01) and slot of the local day of UTC `times`."""
    local = times.dt.convert_time_zone(timezone)
    days = local.dt.date().cast(pl.Int32).to_numpy().astype(np.int64)
    minutes = local.dt.hour().cast(pl.Int32).to_numpy() * 60 + local.dt.minute().cast(pl.Int32).to_numpy()
    return days, (minutes // interval_minutes).astype(np.int64)


@lru_cache(maxsize=32)
def holiday_days(code: str | None, first_year: int, last_year: int) -> frozenset[int]:
    """Public holidays as days since 1970-01-01; none where no calendar is set.

    Raises:
        UnknownHolidayCalendar
    """
    if code is None:
        return frozenset()
    import holidays

    country, _, subdivision = code.partition("-")
    try:
        calendar = holidays.country_holidays(
            country, subdiv=subdivision or None, years=range(first_year, last_year + 1)
        )
    except (NotImplementedError, KeyError, AttributeError):
        raise UnknownHolidayCalendar(code) from None
    return frozenset((day - EPOCH).days for day in calendar)


def day_number(day: date) -> int:
    return (day - EPOCH).days


def to_date(number: int) -> date:
    return EPOCH + timedelta(days=int(number))
