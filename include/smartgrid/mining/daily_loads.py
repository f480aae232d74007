"""Hourly loads of all zones by local day: what shapes, outlier days and events are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from smartgrid.features.calendar import day_number, days_and_slots, to_date
from smartgrid.features.daily_grid import DailyGrid
from smartgrid.lake.measurements import natural_sorted

if TYPE_CHECKING:
    import polars as pl

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]

HOURS = 24
# What is usual for a zone is read from this many days before: long enough for a median, short enough for the season.
USUAL_DAYS = 28
# Fewer days of the same kind than this say nothing about what is usual (four weeks have eight of a weekend).
USUAL_FEWEST_DAYS = 4


@dataclass(frozen=True)
class DailyLoads:
    """`load_kw` and `temperature_c` have shape (zones, days, 24), NaN where there is no reading.

    Days and hours are local; `first_day` counts days since 1970-01-01. Readings shorter than an hour are averaged. The
    first `history_days` days are there to say what is usual; they are not part of the window.
    """

    zones: tuple[str, ...]
    first_day: int
    history_days: int
    load_kw: _Floats
    temperature_c: _Floats

    @property
    def days(self) -> int:
        return int(self.load_kw.shape[1])

    @property
    def window_days(self) -> int:
        return self.days - self.history_days

    def date(self, day: int) -> date:
        """The local date of a position on the day axis."""
        return to_date(self.first_day + day)

    def level_kw(self) -> _Floats:
        """(zones, days): mean load of the day, NaN where an hour is missing."""
        return np.asarray(self.load_kw.mean(axis=2), dtype=np.float64)

    def bridged(self, most_hours: int) -> tuple[_Floats, _Flags]:
        """(load_kw with short gaps bridged, which days (zones, days) were).

        A gap of a day with at most `most_hours` missing hours is filled on the straight line between its neighbours in
        time, as mining needs whole days; longer gaps stay.
        """
        values = self.load_kw.copy()
        missing = np.isnan(values)
        fill = missing.any(axis=2) & (missing.sum(axis=2) <= most_hours)
        for zone, day in zip(*np.nonzero(fill), strict=True):
            series = self.load_kw[zone].reshape(-1)
            known = np.flatnonzero(~np.isnan(series))
            hours = day * HOURS + np.flatnonzero(missing[zone, day])
            values[zone, day, hours - day * HOURS] = np.interp(hours, known, series[known])
        return values, fill


def daily_loads(measurements: pl.DataFrame, timezone: str, first: date, last: date, history_days: int) -> DailyLoads:
    """Grid of the local days `first` .. `last` (both in), with `history_days` days before them.

    measurements: rows of the lake (zone, time, load_kw, temperature_c).
    """
    zones = tuple(natural_sorted(measurements["zone"].unique().to_list()))
    first_day = day_number(first) - history_days
    days = day_number(last) - first_day + 1
    load = np.full((len(zones), days, HOURS), np.nan)
    temperature = load.copy()
    for place, zone in enumerate(zones):
        rows = measurements.filter(measurements["zone"] == zone)
        day, slot = days_and_slots(rows["time"], timezone, 60)
        for column, into in (("load_kw", load), ("temperature_c", temperature)):
            found = rows[column].fill_null(float("nan")).to_numpy().astype(np.float64)
            into[place] = DailyGrid.build(day, slot, found, first_day, days, HOURS).values
    return DailyLoads(zones, first_day, history_days, load, temperature)


def usual(loads: DailyLoads, values: _Floats, days: int = USUAL_DAYS) -> _Floats:
    """Median of the same kind of day (Monday to Friday, or weekend) in the `days` days before, along axis 1.

    values (zones, days, ...); NaN with fewer than USUAL_FEWEST_DAYS such days. The day itself is not part of it: what
    is unusual must not make itself usual.
    """
    weekend = np.array([loads.date(day).weekday() >= 5 for day in range(loads.days)])
    result = np.full_like(values, np.nan)
    for day in range(values.shape[1]):
        before = np.flatnonzero(weekend[max(0, day - days) : day] == weekend[day]) + max(0, day - days)
        if len(before) < USUAL_FEWEST_DAYS:
            continue
        earlier = values[:, before]
        known = (~np.isnan(earlier)).sum(axis=1)
        # Only zones that have enough days: a median of nothing but NaN warns.
        enough = known >= USUAL_FEWEST_DAYS
        median = np.nanmedian(np.where(enough[:, None], earlier, 0.0), axis=1)
        result[:, day] = np.where(enough, median, np.nan)
    return result


def same_readings(loads: DailyLoads) -> dict[str, str]:
    """Zones whose readings are those of an earlier zone, hour by hour: {"Z7": "Z3"}.

    Such a zone is the same meter twice. Counting it would make each of its findings look confirmed.
    """
    twins: dict[str, str] = {}
    for place, zone in enumerate(loads.zones):
        for before in range(place):
            if loads.zones[before] not in twins and np.array_equal(
                loads.load_kw[before], loads.load_kw[place], equal_nan=True
            ):
                twins[zone] = loads.zones[before]
                break
    return twins
