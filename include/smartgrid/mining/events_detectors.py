"""How each event of the vocabulary is found. Thresholds are fixed shares of what is usual for the zone, not quantiles
of the result: how often an event happens is then a finding, and not a setting (temperature: see the vocabulary)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from smartgrid.features.calendar import days_and_slots
from smartgrid.mining.daily_loads import HOURS, DailyLoads, usual
from smartgrid.mining.events import Detect, Found, Records
from smartgrid.mining.events_vocabulary import EventKind

_Floats = npt.NDArray[np.float64]


def peak(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    """Highest hour of the day above the median of the highest hours of such days in the four weeks before."""
    highest = np.where(np.isnan(loads.load_kw), -np.inf, loads.load_kw).max(axis=2)
    highest = np.where(np.isfinite(highest), highest, np.nan)
    share = highest / _positive(usual(loads, highest)) - 1
    for place, day in _cells(loads, share >= kind.thresholds["above_usual_share"]):
        hour = int(np.nanargmax(loads.load_kw[place, day]))
        value = 100 * float(share[place, day])
        yield Found(loads.zones[place], loads.date(day), value, "% above usual", hour, hour + 1)


def low_load(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    """Mean load of a whole day below the median of such days."""
    mean = loads.level_kw()
    share = 1 - mean / _positive(usual(loads, mean))
    for place, day in _cells(loads, share >= kind.thresholds["below_usual_share"]):
        yield Found(loads.zones[place], loads.date(day), 100 * float(share[place, day]), "% below usual")


def ramp_up(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    yield from _ramps(loads, kind, 1)


def ramp_down(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    yield from _ramps(loads, kind, -1)


def _ramps(loads: DailyLoads, kind: EventKind, sign: int) -> Iterator[Found]:
    """The steepest change within `hours` of a day, less the usual change in the same hours, as share of the level."""
    hours = int(kind.thresholds["hours"])
    zones, days, _ = loads.load_kw.shape
    flat = loads.load_kw.reshape(zones, days * HOURS)
    change = np.full_like(flat, np.nan)
    change[:, hours:] = flat[:, hours:] - flat[:, :-hours]
    by_day = change.reshape(zones, days, HOURS)
    level = _positive(usual(loads, loads.level_kw()))[:, :, None]
    beyond = sign * (by_day - usual(loads, by_day)) / level
    # Against the direction of the event there is no ramp, however unusual.
    beyond = np.where(sign * by_day > 0, beyond, np.nan)
    known = np.where(np.isnan(beyond), -np.inf, beyond)
    steepest = known.max(axis=2)
    for place, day in _cells(loads, steepest >= kind.thresholds["beyond_usual_share"]):
        hour = int(known[place, day].argmax())
        value = 100 * float(steepest[place, day])
        yield Found(
            loads.zones[place], loads.date(day), value, f"% of level in {hours} h", max(0, hour - hours), hour + 1
        )


def flat_line(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    """`hours` or more equal hourly loads in a row, above zero."""
    needed = int(kind.thresholds["hours"])
    zones, days, _ = loads.load_kw.shape
    for place in range(zones):
        series = loads.load_kw[place].reshape(-1)
        begin = 0
        for hour in range(1, days * HOURS + 1):
            if hour < days * HOURS and series[hour] == series[begin]:
                continue
            length = hour - begin
            if length >= max(2, needed) and series[begin] > 0 and begin // HOURS >= loads.history_days:
                day, first = divmod(begin, HOURS)
                yield Found(
                    loads.zones[place], loads.date(day), float(length), "hours", first, min(HOURS, first + length)
                )
            begin = hour


def hot(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    mean, limit = _temperature(loads, kind.thresholds["quantile"])
    limit = np.fmax(limit, kind.thresholds["at_least_c"])
    for place, day in _cells(loads, mean >= limit[:, None]):
        yield Found(loads.zones[place], loads.date(day), float(mean[place, day]), "°C")


def cold(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    mean, limit = _temperature(loads, kind.thresholds["quantile"])
    limit = np.fmin(limit, kind.thresholds["at_most_c"])
    for place, day in _cells(loads, mean <= limit[:, None]):
        yield Found(loads.zones[place], loads.date(day), float(mean[place, day]), "°C")


def warming(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    yield from _weather_change(loads, kind, 1)


def cooling(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    yield from _weather_change(loads, kind, -1)


def _weather_change(loads: DailyLoads, kind: EventKind, sign: int) -> Iterator[Found]:
    mean = loads.temperature_c.mean(axis=2)
    change = np.full_like(mean, np.nan)
    change[:, 1:] = sign * (mean[:, 1:] - mean[:, :-1])
    for place, day in _cells(loads, change >= kind.thresholds["by_c"]):
        yield Found(loads.zones[place], loads.date(day), float(change[place, day]), "°C in a day")


def holiday(loads: DailyLoads, kind: EventKind, records: Records, _timezone: str) -> Iterator[Found]:
    for day in range(loads.history_days, loads.days):
        if loads.date(day) in records.holidays:
            yield Found("", loads.date(day), 1.0, "day")


def missing_readings(loads: DailyLoads, kind: EventKind, _records: Records, _timezone: str) -> Iterator[Found]:
    """Only between the first and the last reading of a zone: before it was connected nothing is missing."""
    missing = np.isnan(loads.load_kw).sum(axis=2)
    for place, day in _cells(loads, missing >= kind.thresholds["hours"]):
        known = np.flatnonzero(missing[place] < HOURS)
        if len(known) and known[0] <= day <= known[-1]:
            yield Found(loads.zones[place], loads.date(day), float(missing[place, day]), "hours")


def rejected(loads: DailyLoads, kind: EventKind, records: Records, timezone: str) -> Iterator[Found]:
    """Rejected rows by zone, local day and reason."""
    frame = records.rejected.filter(records.rejected["zone"].is_in(list(loads.zones)))
    if not frame.height:
        return
    days, _ = days_and_slots(frame["time"], timezone, 60)
    counted: dict[tuple[str, int, str], int] = {}
    for zone, day, reason in zip(frame["zone"].to_list(), days.tolist(), frame["reason"].to_list(), strict=True):
        counted[zone, day, reason] = counted.get((zone, day, reason), 0) + 1
    for (zone, day, reason), rows in sorted(counted.items()):
        position = day - loads.first_day
        if loads.history_days <= position < loads.days and rows >= kind.thresholds["rows"]:
            yield Found(zone, loads.date(position), float(rows), "rows", suffix=reason)


def forecast_miss(loads: DailyLoads, kind: EventKind, records: Records, _timezone: str) -> Iterator[Found]:
    first, last = loads.date(loads.history_days), loads.date(loads.days - 1)
    for zone, day, share in records.misses.sort("day", "zone").iter_rows():
        if zone in loads.zones and first <= day <= last and share >= kind.thresholds["mean_error_share"]:
            yield Found(zone, day, 100 * share, "% mean error")


def _cells(loads: DailyLoads, where: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(zone, day) of the window where it holds."""
    for place, day in zip(*np.nonzero(where), strict=True):
        if day >= loads.history_days:
            yield int(place), int(day)


def _positive(values: _Floats) -> _Floats:
    return np.where(values > 0, values, np.nan)


def _temperature(loads: DailyLoads, quantile: float) -> tuple[_Floats, _Floats]:
    """(mean temperature by zone and day, its quantile in the window by zone); NaN where there is none."""
    mean = loads.temperature_c.mean(axis=2)
    limit = np.full(len(loads.zones), np.nan)
    for place in range(len(loads.zones)):
        window = mean[place, loads.history_days :]
        if not np.isnan(window).all():
            limit[place] = np.nanquantile(window, quantile)
    known = ~np.isnan(limit)
    return mean, np.where(known, limit, np.nan)


DETECTORS: dict[str, Detect] = {
    "peak": peak,
    "low_load": low_load,
    "ramp_up": ramp_up,
    "ramp_down": ramp_down,
    "flat_line": flat_line,
    "hot": hot,
    "cold": cold,
    "warming": warming,
    "cooling": cooling,
    "holiday": holiday,
    "missing_readings": missing_readings,
    "rejected": rejected,
    "forecast_miss": forecast_miss,
}
