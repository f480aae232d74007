"""A small grid with known patterns for the mining tests: two kinds of zones, one odd day, one level step."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from smartgrid.mining.daily_loads import DailyLoads, daily_loads

TIMEZONE = "Etc/GMT+5"
FIRST = date(2007, 1, 1)  # a Monday
HOURS = np.arange(24)
MORNING = 1 + 0.5 * np.exp(-(((HOURS - 8) / 3) ** 2))
EVENING = 1 + 0.6 * np.exp(-(((HOURS - 19) / 3) ** 2))


def measurements(days: int, zones: dict[str, np.ndarray], *, first: date = FIRST, seed: int = 1) -> pl.DataFrame:
    """`days` local days of hourly rows; `zones` has the shape (24) or the loads (days, 24) in kW of each zone."""
    random = np.random.default_rng(seed)
    frames = []
    midnight = datetime(first.year, first.month, first.day, 5, tzinfo=UTC)  # of UTC-5
    times = [midnight + timedelta(hours=hour) for hour in range(24 * days)]
    for zone, shape in zones.items():
        load = np.tile(1000 * shape, (days, 1)) * random.normal(1, 0.01, (days, 24)) if shape.ndim == 1 else shape
        frames.append(
            pl.DataFrame(
                {
                    "zone": [zone] * len(times),
                    "time": times,
                    "load_kw": load.reshape(-1),
                    "temperature_c": np.repeat(10 + 5 * np.sin(np.arange(days) / 5), 24),
                    "available_at": times,
                }
            )
        )
    frame = pl.concat(frames).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC")), pl.col("available_at").cast(pl.Datetime("us", "UTC"))
    )
    return frame.filter(pl.col("load_kw").is_not_nan())


def loads_of(frame: pl.DataFrame, days: int, history_days: int = 29, first: date = FIRST) -> DailyLoads:
    """Its last `days` - `history_days` days as the window."""
    begin = first + timedelta(days=history_days)
    return daily_loads(frame, TIMEZONE, begin, first + timedelta(days=days - 1), history_days)


def noisy(shape: np.ndarray, days: int, seed: int = 2) -> np.ndarray:
    """(days, 24) in kW: the shape with 1 % of noise."""
    return np.tile(1000 * shape, (days, 1)) * np.random.default_rng(seed).normal(1, 0.01, (days, 24))
