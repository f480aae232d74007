"""Landing rows of a made-up grid, and rules to judge them by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.quality.rules import Rules, microseconds

START = datetime(2021, 3, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000


def landing_frame(zones: int = 3, hours: int = 24 * 28, seed: int = 7, start: datetime = START) -> pl.DataFrame:
    """Loads with a daily and weekly shape and noise, zone by zone, each zone of its own size."""
    random = np.random.default_rng(seed)
    hour = np.arange(hours)
    parts = []
    for zone in range(zones):
        shape = 1 + 0.35 * np.sin(hour / 24 * 2 * np.pi - 2) + 0.1 * np.sin(hour / 168 * 2 * np.pi)
        load = 200.0 * 2**zone * shape * (1 + 0.03 * random.standard_normal(hours))
        temperature = 8 + 6 * np.sin(hour / 24 * 2 * np.pi - 2.5) + random.standard_normal(hours)
        parts.append(
            pl.DataFrame(
                {
                    "zone": [f"Z{zone + 1}"] * hours,
                    "time": [start + timedelta(hours=int(h)) for h in hour],
                    "load_kw": load,
                    "temperature_c": temperature,
                }
            )
        )
    return as_landing(pl.concat(parts))


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


@pytest.fixture
def make_landing() -> Callable[..., pl.DataFrame]:
    return landing_frame


@pytest.fixture
def rules() -> Rules:
    return Rules(interval_us=HOUR_US, future_from_us=microseconds(datetime(2022, 1, 1, tzinfo=UTC)))
