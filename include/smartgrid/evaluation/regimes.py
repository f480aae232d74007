"""How much of a score is owed to knowing the weather: the same recipe with actual, forecast and no temperature.

A backtest with the measured temperature of the target day flatters, because nobody knows it the evening before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import feature_names

COVERED = 0.9


def without_temperature(frame: FeatureFrame) -> FeatureFrame:
    """The same columns, those of the weather all zero: a recipe fitted and run on it knows nothing of the weather.

    The columns stay, because a recipe may name them by position.
    """
    X = frame.X.copy()
    blind = set(feature_names("none"))
    X[:, [index for index, name in enumerate(frame.schema.names) if name not in blind]] = 0.0
    return replace(frame, X=X)


def has_actual(measurements: pl.DataFrame, start: datetime, end: datetime) -> bool:
    """Whether most readings of [start, end) come with a measured temperature."""
    rows = measurements.filter(pl.col("time").is_between(start.astimezone(UTC), end.astimezone(UTC), closed="left"))
    known = rows.filter(pl.col("temperature_c").is_finite()).height
    return rows.height > 0 and known >= COVERED * rows.height


def has_forecast(
    weather: pl.DataFrame, zones: list[str], start: datetime, end: datetime, interval_minutes: int
) -> bool:
    """Whether real temperature forecasts exist for most zones and intervals of [start, end)."""
    rows = weather.filter(
        (pl.col("kind") == "forecast")
        & pl.col("zone").is_in(zones)
        & pl.col("time").is_between(start.astimezone(UTC), end.astimezone(UTC), closed="left")
        & pl.col("temperature_c").is_finite()
    )
    intervals = (end - start) / timedelta(minutes=interval_minutes)
    return rows.height >= COVERED * len(zones) * intervals and rows.height > 0


def mean_absolute_error_c(
    weather: pl.DataFrame, measurements: pl.DataFrame, start: datetime, end: datetime
) -> float | None:
    """How wrong the temperature forecasts of [start, end) were, in degrees; None where nothing can be compared."""
    forecast = weather.filter(
        (pl.col("kind") == "forecast")
        & pl.col("time").is_between(start.astimezone(UTC), end.astimezone(UTC), closed="left")
    )
    both = forecast.join(
        measurements.select("zone", "time", pl.col("temperature_c").alias("measured_c")), on=["zone", "time"]
    ).select((pl.col("temperature_c") - pl.col("measured_c")).abs())
    errors = both.to_series().to_numpy()
    errors = errors[np.isfinite(errors)]
    return float(errors.mean()) if len(errors) else None
