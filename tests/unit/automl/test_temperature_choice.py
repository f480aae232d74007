"""A run uses the temperature that the coming day will have; at the end of recorded data, that of the last day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.automl.snapshot import choose_temperature
from smartgrid.lake.measurements import WEATHER_SCHEMA

END = datetime(2024, 3, 1, tzinfo=UTC)


def hours(first: datetime, days: int) -> list[datetime]:
    return [first + timedelta(hours=hour) for hour in range(24 * days)]


def measured(celsius: float, days: int = 30) -> pl.DataFrame:
    times = hours(END - timedelta(days=days), days)
    rows = pl.DataFrame({"zone": "A", "time": times, "load_kw": 1.0, "temperature_c": celsius, "available_at": times})
    return rows.with_columns(pl.col("time", "available_at").cast(pl.Datetime("us", "UTC")))


def weather(kind: str, first: datetime) -> pl.DataFrame:
    times = hours(first, 1)
    rows = pl.DataFrame({"zone": "A", "time": times, "temperature_c": 5.0, "kind": kind, "available_at": times})
    return rows.select([pl.col(name).cast(dtype) for name, dtype in WEATHER_SCHEMA.items()])


NOTHING = pl.DataFrame(schema=WEATHER_SCHEMA)
LAST_DAY = END - timedelta(days=1)


@pytest.mark.parametrize(
    ("celsius", "coming", "record_ends", "chosen"),
    [
        (5.0, weather("forecast", END), False, "forecast"),
        (5.0, weather("actual", END), False, "actual"),
        (5.0, NOTHING, False, "none"),
        (5.0, NOTHING, True, "actual"),
        (5.0, weather("forecast", LAST_DAY), True, "forecast"),
        (np.nan, NOTHING, True, "none"),
        (np.nan, weather("forecast", END), False, "none"),
    ],
)
def test_the_temperature_of_the_coming_day_decides(
    celsius: float, coming: pl.DataFrame, record_ends: bool, chosen: str
) -> None:
    assert choose_temperature("auto", measured(celsius), coming, ["A"], END, record_ends=record_ends) == chosen


def test_what_is_asked_for_is_taken() -> None:
    assert choose_temperature("none", measured(5.0), weather("actual", END), ["A"], END) == "none"


def test_two_hours_of_the_last_day_are_no_temperature_of_it() -> None:
    rows = measured(5.0).with_columns(
        pl.when(pl.col("time") < END - timedelta(hours=22)).then(pl.col("temperature_c")).alias("temperature_c")
    )
    assert choose_temperature("auto", rows, NOTHING, ["A"], END, record_ends=True) == "none"
