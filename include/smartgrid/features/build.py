"""Feature rows from measurements and weather, using only what was known at issue time.

A forecast is issued at local midnight for the local day that begins: loads up to that midnight are known, and so is
the temperature forecast of the day (or the measured temperature standing in for it, where the schema says `actual`).
The recipe is that of the strongest simple model of the Global Energy Forecasting Competition 2012 family: load lags,
the last known loads, calendar with holidays, and temperature with its recent past as hinges (after Hong, Pinson and
Fan, "Global Energy Forecasting Competition 2012", International Journal of Forecasting 30(2), 2014).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.features.calendar import day_number, days_and_slots, holiday_days, to_date
from smartgrid.features.daily_grid import DailyGrid, Floats, Ints
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.load_profile import load_profile
from smartgrid.features.schema import (
    COARSE_HINGES_C,
    COARSE_TEMPERATURES,
    DAY_OFF_HINGES_C,
    HINGES_C,
    LAG_DAYS,
    LAG_NEIGHBOUR_HOURS,
    NEIGHBOUR_HOURS,
    PLAIN_TEMPERATURES,
    PROFILE_HOURS,
    TEMPERATURES,
    FeatureSchema,
    Temperature,
    feature_names,
)

LOOKBACK_DAYS = 372  # 365-day level plus a week to fill its gaps from
LIKE_DAY_WITHIN = 10  # days; longer runs of days off or on than that do not happen
WARM_C, COLD_C = 18.0, 14.0  # above and below, today's temperature works with that of the day before


def build_frame(
    measurements: pl.DataFrame,
    weather: pl.DataFrame,
    *,
    zones: list[str],
    first_day: datetime,
    last_day: datetime,
    timezone: str,
    interval_minutes: int,
    holidays: str | None,
    temperature: Temperature,
    schema_zones: list[str] | None = None,
) -> FeatureFrame:
    """Feature rows of every target time of the local days `first_day` .. `last_day` (both inside).

    Args:
        measurements: rows of lake.MEASUREMENT_SCHEMA, at least 372 days before `first_day` where there are any.
        weather: rows of lake.WEATHER_SCHEMA; used for the target day.
        zones: zones to build rows for.
        first_day, last_day: any moment of the local day.
        schema_zones: zones that the model knows; default `zones`. Others get zone_code -1.
    """
    schema = FeatureSchema(
        names=feature_names(temperature),
        zones=schema_zones if schema_zones is not None else zones,
        interval_minutes=interval_minutes,
        timezone=timezone,
        holidays=holidays,
        temperature=temperature,
    )
    zone_info = ZoneInfo(timezone)
    first = day_number(first_day.astimezone(zone_info).date())
    last = day_number(last_day.astimezone(zone_info).date())
    times = _target_times(first, last, zone_info, interval_minutes)
    target_day, slot = days_and_slots(times, timezone, interval_minutes)
    base_day = first - LOOKBACK_DAYS
    n_days, n_slots = last - base_day + 1, schema.slots_per_day
    midnights = _midnights(base_day, n_days, zone_info)
    calendar = _Calendar(target_day, holidays)
    target_us = times.dt.epoch("us").to_numpy()
    targets = target_us.astype("datetime64[us]")
    issues = midnights[target_day - base_day]

    parts: list[Floats] = []
    loads: list[Floats] = []
    by_zone = measurements.partition_by("zone", as_dict=True)
    weather_by_zone = weather.partition_by("zone", as_dict=True)
    for zone in zones:
        rows = by_zone.get((zone,), measurements.clear())
        days, slots = days_and_slots(rows["time"], timezone, interval_minutes)
        known_after = _known_after_days(rows, days, midnights, base_day, n_days)
        load = rows["load_kw"].to_numpy()
        grid = DailyGrid.build(days, slots, load, base_day, n_days, n_slots, known_after)
        code = float(schema.zones.index(zone)) if zone in schema.zones else -1.0
        columns = _load_columns(grid, target_day - base_day, slot, code, calendar)
        if temperature != "none":
            outside = weather_by_zone.get((zone,), weather.clear())
            measured = DailyGrid.build(
                days, slots, rows["temperature_c"].to_numpy(), base_day, n_days, n_slots, known_after
            )
            expected = _expected_temperature(
                measured, outside, temperature, timezone, interval_minutes, base_day, n_days, n_slots
            )
            temperatures = _temperatures(measured, expected, target_day - base_day, slot, 60 // interval_minutes)
            named = dict(zip(schema.names, columns, strict=False))
            columns += _temperature_columns(temperatures) + _interactions(named, temperatures, calendar)
        parts.append(np.column_stack(columns))
        loads.append(_aligned(rows, target_us))

    n = len(times)
    return FeatureFrame(
        schema=schema,
        zone=np.repeat(np.array(zones, dtype=np.str_), n),
        target_time=np.tile(targets, len(zones)),
        issue_time=np.tile(issues, len(zones)),
        X=np.concatenate(parts) if parts else np.empty((0, len(schema.names))),
        y_kw=np.concatenate(loads) if loads else np.empty(0),
    )


def _target_times(first: int, last: int, timezone: ZoneInfo, interval_minutes: int) -> pl.Series:
    """Every UTC interval start of the local days: 23, 24 or 25 hours a day."""
    start = datetime.combine(to_date(first), datetime.min.time(), timezone)
    end = datetime.combine(to_date(last + 1), datetime.min.time(), timezone)
    utc = ZoneInfo("UTC")
    return pl.datetime_range(
        start.astimezone(utc),
        end.astimezone(utc),
        timedelta(minutes=interval_minutes),
        closed="left",
        time_unit="us",
        time_zone="UTC",
        eager=True,
    )


def _midnights(base_day: int, n_days: int, timezone: ZoneInfo) -> npt.NDArray[np.datetime64]:
    """UTC instant of the local midnight that starts each day of the grid, and of the one after."""
    starts = [
        datetime.combine(to_date(base_day + index), datetime.min.time(), timezone).astimezone(ZoneInfo("UTC"))
        for index in range(n_days + 1)
    ]
    return np.array([moment.replace(tzinfo=None) for moment in starts], dtype="datetime64[us]")


def _known_after_days(
    rows: pl.DataFrame, days: Ints, midnights: npt.NDArray[np.datetime64], base_day: int, n_days: int
) -> Ints:
    """How many midnights after the end of its day a reading became known."""
    known = rows["available_at"].dt.epoch("us").to_numpy().astype("datetime64[us]")
    first_midnight_knowing = np.searchsorted(midnights, known, side="left")
    end_of_day = np.clip(days - base_day + 1, 0, n_days)
    late: Ints = np.maximum(first_midnight_knowing - end_of_day, 0).astype(np.int64)
    return late


class _Calendar:
    """Calendar columns of every target row; the same for all zones."""

    def __init__(self, target_day: Ints, code: str | None) -> None:
        first, last = to_date(int(target_day.min()) - LIKE_DAY_WITHIN), to_date(int(target_day.max()) + 1)
        off = holiday_days(code, first.year, last.year)

        def holiday(offset: int) -> Floats:
            return np.isin(target_day + offset, list(off)).astype(np.float64) if off else np.zeros(len(target_day))

        self.weekday = (target_day + 3) % 7  # 1970-01-01 was a Thursday
        self.today, self.yesterday, self.tomorrow, self.week_ago = holiday(0), holiday(-1), holiday(1), holiday(-7)
        year = 2 * np.pi * target_day / 365.2425
        self.waves = [wave(order * year) for order in (1, 2, 3) for wave in (np.sin, np.cos)]
        self.trend_years = target_day / 365.2425 - 35.0  # years since 2005, to keep numbers small
        self.day_off = np.minimum((self.weekday >= 5) + self.today, 1.0)
        self.like_day_back = _like_day_back(target_day, off)


def _like_day_back(target_day: Ints, holidays: frozenset[int]) -> Ints:
    """How many days before each day the last one of its kind lies: a day off before a day off, else a working day."""
    first = int(target_day.min()) - LIKE_DAY_WITHIN
    days = np.arange(first, int(target_day.max()) + 1)
    is_off = ((days + 3) % 7 >= 5) | np.isin(days, list(holidays))
    back = np.full(len(days), 7, dtype=np.int64)
    for distance in range(LIKE_DAY_WITHIN, 0, -1):
        back[distance:][is_off[distance:] == is_off[:-distance]] = distance
    chosen: Ints = back[target_day - first]
    return chosen


def _load_columns(grid: DailyGrid, day: Ints, slot: Ints, zone_code: float, calendar: _Calendar) -> list[Floats]:
    views = _views(grid, day)

    def at(back: Ints | int, column: Ints | int) -> Floats:
        values = np.empty(len(day))
        columns, backs = (np.broadcast_to(np.asarray(given), day.shape) for given in (column, back))
        for rows, known in views:
            values[rows] = known[day[rows] - backs[rows], columns[rows]]
        return values

    def stats(back: int, span: int) -> tuple[Floats, Floats, Floats]:
        mean, top, bottom = np.empty(len(day)), np.empty(len(day)), np.empty(len(day))
        for rows, known in views:
            mean[rows], top[rows], bottom[rows] = _window_stats(known, day[rows], back, span)
        return mean, top, bottom

    def like_day_mean() -> Floats:
        mean = np.empty(len(day))
        for rows, known in views:
            mean[rows] = _window_stats(known, day[rows] - calendar.like_day_back[rows] + 1, 1, 1)[0]
        return mean

    n_slots = grid.values.shape[1]
    per_hour = n_slots // 24
    last = n_slots - 1
    level, _, _ = stats(1, 365)
    level = np.where(level > 0, level, np.nan)
    lag = {days: at(days, slot) / level for days in LAG_DAYS}
    last_load = at(1, last) / level
    day_mean, day_max, day_min = stats(1, 1)
    week_mean, _, _ = stats(1, 7)
    columns: list[Floats] = [np.full(len(day), zone_code), slot.astype(np.float64), level]
    columns += [lag[days] for days in LAG_DAYS]
    columns += [last_load, at(1, last - 2 * per_hour) / level, at(1, last - 4 * per_hour) / level]
    columns += [last_load - at(2, last) / level, last_load - at(8, last) / level]
    columns += [day_mean / level, day_max / level, day_min / level, week_mean / level]
    columns += [at(1, hour * per_hour - 1) / level for hour in PROFILE_HOURS]
    columns += [at(1, np.clip(slot + hours * per_hour, 0, last)) / level for hours in LAG_NEIGHBOUR_HOURS]
    like_day = at(calendar.like_day_back, slot) / level
    columns += [like_day, like_day_mean() / level, calendar.day_off * like_day]
    weekdays = [(calendar.weekday == number).astype(np.float64) for number in range(7)]
    columns += weekdays
    columns += [flag * lag[1] for flag in weekdays]
    columns += [flag * last_load for flag in weekdays]
    columns += calendar.waves
    columns += [calendar.today, calendar.yesterday, calendar.tomorrow, calendar.week_ago]
    columns += [
        calendar.today * lag[1],
        calendar.today * lag[7],
        calendar.yesterday * lag[1],
        calendar.week_ago * lag[7],
    ]
    columns += [calendar.waves[0] * lag[1], calendar.waves[1] * lag[1], calendar.trend_years]
    columns += [column / level for column in _profile_columns(views, day, slot)]
    return columns


def _profile_columns(views: list[tuple[npt.NDArray[np.bool_], Floats]], day: Ints, slot: Ints) -> list[Floats]:
    """schema.PROFILE_COLUMNS in kW."""
    found = np.empty((6, len(day)))
    for rows, known in views:
        if not rows.any():
            continue
        days, slots = day[rows], slot[rows]
        first, n_slots = int(days.min()) - 1, known.shape[1]
        profile = load_profile(known, first, int(days.max()))
        yesterday = days - 1 - first
        off = known[first : first + len(profile)] - profile
        found[:, rows] = [
            profile[yesterday + 1, slots],
            off[yesterday, -1],
            off[:, -(n_slots // 6) :].mean(axis=1)[yesterday],
            off[:, n_slots // 2 :].mean(axis=1)[yesterday],
            off.mean(axis=1)[yesterday],
            off[yesterday, slots],
        ]
    return list(found)


def _views(grid: DailyGrid, day: Ints) -> list[tuple[npt.NDArray[np.bool_], Floats]]:
    """What each row may see: (rows, filled grid). One view for all, unless readings came late."""
    if grid.known_after_days is None:
        return [(np.ones(len(day), dtype=np.bool_), grid.filled())]
    late_rows, late_slots = np.nonzero(grid.known_after_days)
    changes = np.unique(
        np.concatenate([late_rows + 1, late_rows + 1 + grid.known_after_days[late_rows, late_slots], [day.min()]])
    )
    segment = np.searchsorted(changes, day, side="right") - 1
    return [(segment == index, grid.as_known(int(changes[index])).filled()) for index in np.unique(segment)]


def _window_stats(values: Floats, day: Ints, back: int, span: int) -> tuple[Floats, Floats, Floats]:
    """Mean, maximum and minimum over the `span` days that end `back` days before each `day`."""
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0).sum(axis=1))])
    counts = np.concatenate([[0], np.cumsum(finite.sum(axis=1))])
    high, low = day - back + 1, day - back + 1 - span
    low = np.maximum(low, 0)
    count = counts[high] - counts[low]
    mean = np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan)
    if span > 1:
        return mean, mean, mean
    masked = np.where(finite, values, np.nan)
    with np.errstate(all="ignore"):
        top = np.where(finite.any(axis=1), np.max(np.where(finite, masked, -np.inf), axis=1), np.nan)
        bottom = np.where(finite.any(axis=1), np.min(np.where(finite, masked, np.inf), axis=1), np.nan)
    return mean, top[day - back], bottom[day - back]


def _expected_temperature(
    measured: DailyGrid,
    weather: pl.DataFrame,
    temperature: Temperature,
    timezone: str,
    interval_minutes: int,
    base_day: int,
    n_days: int,
    n_slots: int,
) -> Floats:
    """Temperature of the target day as the forecaster sees it."""
    known = np.full((n_days, n_slots), np.nan)
    kinds = ("forecast", "actual") if temperature == "forecast" else ("actual",)
    for kind in kinds:
        part = weather.filter(pl.col("kind") == kind)
        days, slots = days_and_slots(part["time"], timezone, interval_minutes)
        grid = DailyGrid.build(days, slots, part["temperature_c"].to_numpy(), base_day, n_days, n_slots)
        known = np.where(np.isfinite(known), known, grid.values)
        if kind == "forecast":
            known = np.where(np.isfinite(known), known, measured.values)
    if temperature == "actual":
        known = np.where(np.isfinite(measured.values), measured.values, known)
    return DailyGrid(base_day, known).filled()


def _temperatures(measured: DailyGrid, expected: Floats, day: Ints, slot: Ints, per_hour: int) -> dict[str, Floats]:
    """Temperatures in degrees Celsius by the names of schema.TEMPERATURES."""
    past = measured.filled()
    past = np.where(np.isfinite(past), past, expected)
    n_slots = past.shape[1]
    # Running means cross from the measured past into the expected day: build one series a day of issue from both.
    flat_past, flat_expected = past.ravel(), expected.ravel()
    position = day * n_slots + slot
    day_start = day * n_slots

    def running_mean(hours: int) -> Floats:
        span = hours * per_hour
        low = np.maximum(position + 1 - span, 0)
        past_sum = _range_sum(flat_past, np.minimum(low, day_start), np.minimum(position + 1, day_start))
        day_sum = _range_sum(flat_expected, np.maximum(low, day_start), position + 1)
        mean: Floats = (past_sum + day_sum) / (position + 1 - low)
        return mean

    def neighbour(hours: int) -> Floats:
        at = np.clip(position + hours * per_hour, day_start - n_slots, day_start + n_slots - 1)
        values: Floats = np.where(at < day_start, flat_past[at], flat_expected[at])
        return values

    with np.errstate(all="ignore"):
        day_mean = expected.mean(axis=1)
    around = {name: neighbour(hours) for name, hours in zip(PLAIN_TEMPERATURES[2:], NEIGHBOUR_HOURS, strict=True)}
    return around | {
        "now": flat_expected[position],
        "day_mean": day_mean[day],
        "lag_1d": past[day - 1, slot],
        "lag_2d": past[day - 2, slot],
        "lag_7d": past[day - 7, slot],
        "day_max": expected.max(axis=1)[day],
        "day_min": expected.min(axis=1)[day],
        "mean_3h": running_mean(3),
        "mean_12h": running_mean(12),
        "mean_24h": running_mean(24),
        "mean_72h": running_mean(72),
    }


def _temperature_columns(temperatures: dict[str, Floats]) -> list[Floats]:
    columns: list[Floats] = []
    for names, hinges in ((TEMPERATURES, HINGES_C), (COARSE_TEMPERATURES, COARSE_HINGES_C)):
        for name in names:
            celsius = temperatures[name]
            columns += [celsius / 10.0, (celsius / 10.0) ** 2]
            columns += [np.maximum(celsius - hinge, 0.0) / 10.0 for hinge in hinges]
    return columns + [temperatures[name] / 10.0 for name in PLAIN_TEMPERATURES]


def _interactions(named: dict[str, Floats], temperatures: dict[str, Floats], calendar: _Calendar) -> list[Floats]:
    """Products: cold or heat moves a high load more than a low one, and a day off differently."""
    columns = [
        named[load] * temperatures[kind] / 10.0
        for load in ("lag_1d", "lag_7d", "last_load")
        for kind in ("now", "day_mean", "lag_1d")
    ]
    day_off = calendar.day_off
    columns += [day_off * temperatures[kind] / 10.0 for kind in ("now", "day_mean")]
    columns += [day_off * np.maximum(temperatures["now"] - hinge, 0.0) / 10.0 for hinge in DAY_OFF_HINGES_C]
    columns += [wave * temperatures[kind] / 10.0 for wave in calendar.waves[:2] for kind in ("now", "day_mean")]
    now, mean_24h = temperatures["now"], temperatures["mean_24h"]
    columns += [now * mean_24h / 100.0, now * temperatures["mean_72h"] / 100.0]
    columns += [
        np.maximum(now - WARM_C, 0.0) * np.maximum(mean_24h - WARM_C, 0.0) / 100.0,
        np.maximum(COLD_C - now, 0.0) * np.maximum(COLD_C - mean_24h, 0.0) / 100.0,
    ]
    return columns


def _range_sum(values: Floats, low: Ints, high: Ints) -> Floats:
    """Sum of values[low:high] per element; NaN counts as missing and makes the sum NaN."""
    sums = np.concatenate([[0.0], np.cumsum(np.where(np.isfinite(values), values, 0.0))])
    holes = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    total = sums[high] - sums[low]
    return np.where(holes[high] > holes[low], np.nan, total)


def _aligned(rows: pl.DataFrame, target_us: npt.NDArray[np.int64]) -> Floats:
    """Load of each target time, NaN where there is none. `rows` are sorted by time."""
    times = rows["time"].dt.epoch("us").to_numpy()
    loads = np.full(len(target_us), np.nan)
    if len(times):
        position = np.minimum(np.searchsorted(times, target_us), len(times) - 1)
        hit = times[position] == target_us
        loads[hit] = rows["load_kw"].to_numpy()[position[hit]]
    return loads
