"""A regime is offered only where the data have it, and `none` knows nothing of the weather."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from synthetic_load import synthetic

from smartgrid.evaluation.regimes import has_actual, has_forecast, mean_absolute_error_c, without_temperature
from smartgrid.features.build import build_frame
from smartgrid.features.schema import feature_names
from smartgrid.lake.measurements import WEATHER_SCHEMA

START, END = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 8, tzinfo=UTC)
MEASURED = synthetic({"A": 100.0, "B": 300.0}, days=60)


def forecasts(offset_c: float = 0.0) -> pl.DataFrame:
    return MEASURED.with_columns(pl.col("temperature_c") + offset_c, kind=pl.lit("forecast")).select(*WEATHER_SCHEMA)


def test_without_temperature_only_the_weather_columns_are_blank() -> None:
    frame = build_frame(
        MEASURED,
        forecasts(),
        zones=["A"],
        first_day=START,
        last_day=END,
        timezone="UTC",
        interval_minutes=60,
        holidays=None,
        temperature="actual",
    )
    blind = without_temperature(frame)
    known = len(feature_names("none"))
    np.testing.assert_array_equal(blind.X[:, :known], frame.X[:, :known])
    assert np.all(blind.X[:, known:] == 0)
    assert np.abs(frame.X[:, known:]).max() > 0  # the frame itself is left as it was


def test_actual_and_forecast_need_most_hours_of_the_window() -> None:
    assert has_actual(MEASURED, START, END)
    assert not has_actual(MEASURED.with_columns(temperature_c=pl.lit(None, dtype=pl.Float64)), START, END)
    assert not has_actual(MEASURED, END + timedelta(days=90), END + timedelta(days=97))
    assert has_forecast(forecasts(), ["A", "B"], START, END, 60)
    one_zone = forecasts().filter(pl.col("zone") == "A")
    assert not has_forecast(one_zone, ["A", "B"], START, END, 60)
    stand_in = forecasts().with_columns(kind=pl.lit("actual"))
    assert not has_forecast(stand_in, ["A", "B"], START, END, 60)


def test_the_error_of_the_temperature_forecast_is_its_mean_absolute_one() -> None:
    error_c = mean_absolute_error_c(forecasts(-1.5), MEASURED, START, END)
    assert error_c is not None
    assert abs(error_c - 1.5) < 1e-9
    assert mean_absolute_error_c(forecasts().clear(), MEASURED, START, END) is None
