"""Hourly load with a daily and a weekly shape, a temperature effect and noise, for tests that know the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 120


def synthetic(zones: dict[str, float], days: int = DAYS, start: datetime = START) -> pl.DataFrame:
    """Daily and weekly shape, temperature effect and noise, scaled by zone."""
    rng = np.random.default_rng(7)
    hours = np.arange(days * 24)
    temperature = 10 + 8 * np.sin(2 * np.pi * hours / (24 * 60)) + 3 * np.sin(2 * np.pi * hours / 24)
    shape = 1 + 0.3 * np.sin(2 * np.pi * (hours - 7) / 24) - 0.1 * ((hours // 24) % 7 >= 5) - 0.01 * temperature
    times = [start + timedelta(hours=int(hour)) for hour in hours]
    parts = []
    for zone, level_kw in zones.items():
        load = level_kw * (shape + rng.normal(0, 0.01, len(hours)))
        parts.append(
            pl.DataFrame(
                {
                    "zone": [zone] * len(hours),
                    "time": times,
                    "load_kw": load,
                    "temperature_c": temperature,
                    "available_at": [time + timedelta(hours=1) for time in times],
                }
            )
        )
    return pl.concat(parts).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC")), pl.col("available_at").cast(pl.Datetime("us", "UTC"))
    )
