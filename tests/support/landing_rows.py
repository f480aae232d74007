"""Readings of a made-up grid, and landing rows made of them as `ingest` makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from smartgrid.lake.landing import LANDING_SCHEMA

START = datetime(2021, 3, 1, tzinfo=UTC)


def readings(zones: int = 3, hours: int = 24 * 28, seed: int = 7, start: datetime = START) -> pl.DataFrame:
    """row_number, zone, time, load_kw, temperature_c, zone by zone: loads with a daily and a weekly shape and noise,
    each zone of its own size."""
    random = np.random.default_rng(seed)
    hour = np.arange(hours)
    parts = []
    for zone in range(zones):
        shape = 1 + 0.35 * np.sin(hour / 24 * 2 * np.pi - 2) + 0.1 * np.sin(hour / 168 * 2 * np.pi)
        parts.append(
            pl.DataFrame(
                {
                    "zone": [f"Z{zone + 1}"] * hours,
                    "time": pl.datetime_range(start, start + timedelta(hours=hours - 1), "1h", eager=True),
                    "load_kw": 200.0 * 2**zone * shape * (1 + 0.03 * random.standard_normal(hours)),
                    "temperature_c": 8 + 6 * np.sin(hour / 24 * 2 * np.pi - 2.5) + random.standard_normal(hours),
                }
            )
        )
    return pl.concat(parts).with_row_index("row_number")


def as_landing(frame: pl.DataFrame) -> pl.DataFrame:
    """Fill the columns that only matter to few tests."""
    defaults = {
        "row_number": pl.int_range(pl.len()),
        "source_ref": pl.lit("test.csv"),
        "temperature_forecast_c": pl.lit(None),
        "available_at": pl.col("time") + pl.duration(hours=1),
        "raw_time": pl.lit(None),
        "raw_load": pl.lit(None),
        "raw_temperature": pl.lit(None),
    }
    missing = {name: value for name, value in defaults.items() if name not in frame.columns}
    frame = frame.with_columns(**missing)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in LANDING_SCHEMA.items())
