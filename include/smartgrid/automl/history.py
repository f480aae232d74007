"""Measurements of any period for a backtest: from the lake where it reaches far enough, else from the source."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from smartgrid import clock
from smartgrid.ingest.source import open_source
from smartgrid.lake import Window, read_measurements, read_weather
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA, WEATHER_SCHEMA
from smartgrid.settings import Settings


def history(settings: Settings, window: Window) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Measurements and weather of `window`, and where they came from: "lake" or "source".

    The lake holds what replay has reached so far. A backtest of later recorded data reads the source itself, where
    readings without a positive load are left out.
    """
    measurements = read_measurements(settings.lake_root, window)
    last = measurements["time"].max()
    if isinstance(last, datetime) and window.end - last <= timedelta(days=1):
        return measurements, read_weather(settings.lake_root, window), "lake"
    rows = open_source(settings).read(window)
    valid = rows.filter(
        pl.col("zone").is_not_null()
        & pl.col("time").is_not_null()
        & pl.col("load_kw").is_finite()
        & (pl.col("load_kw") > 0)
        & pl.col("time").is_between(window.start, window.end, closed="left")
    )
    # A source leaves the time of knowledge open where its data do not say: known when measured.
    interval = timedelta(minutes=settings.source.interval_minutes)
    valid = valid.with_columns(pl.coalesce("available_at", pl.col("time") + interval).alias("available_at"))
    measured = (
        valid.select([pl.col(name).cast(dtype) for name, dtype in MEASUREMENT_SCHEMA.items()])
        .sort("available_at", maintain_order=True)
        .unique(["zone", "time"], keep="last")
        .sort("zone", "time")
    )
    forecasts = (
        valid.filter(pl.col("temperature_forecast_c").is_finite())
        .select(
            "zone",
            "time",
            pl.col("temperature_forecast_c").alias("temperature_c"),
            pl.lit("forecast").alias("kind"),
            "available_at",
        )
        .cast(WEATHER_SCHEMA)  # type: ignore[arg-type]
        .unique(["zone", "time"], keep="last")
        .sort("zone", "time")
    )
    return measured, forecasts, "source"


def data_end(settings: Settings) -> datetime:
    """Where recorded data end, also if the replay has not come so far; live ones end now."""
    return open_source(settings).span().end if settings.clock == "replay" else clock.now(settings)
