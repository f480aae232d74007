"""Temperatures of coming hours, from what a source delivers beside the load."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import polars as pl

from smartgrid.fields import TEMPERATURE_C, TEMPERATURE_FORECAST_C, Field
from smartgrid.lake.measurements import WEATHER_SCHEMA

log = logging.getLogger(__name__)

# How far ahead of the window weather is read: a day-ahead forecast issued at its end needs 24 hours, at most 48.
HORIZON = timedelta(hours=48)
_DAY = timedelta(hours=24)


def weather_rows(rows: pl.DataFrame, coming: pl.DataFrame, end: datetime, replay: bool) -> pl.DataFrame:
    """Rows of WEATHER_SCHEMA from the `rows` of a window that ends at `end` and from what the source holds after it.

    A forecast was known a day before its hour, unless the source says when. A measured temperature of a coming hour
    exists only in a replay: it stands in for a forecast as kind "actual", which flatters. Under the wall clock what a
    source says of a coming hour can only be a forecast, known at `end`. Implausible values are left out.
    """
    ahead = coming.filter((pl.col("time") >= end) & (pl.col("time") < end + HORIZON))
    known = pl.col("time") - _DAY
    said = pl.when(pl.col("available_at") < pl.col("time")).then("available_at")
    forecast = _values(rows, TEMPERATURE_FORECAST_C, "forecast", pl.coalesce(said, known))
    issued = known if replay else pl.min_horizontal(known, pl.lit(end))
    coming_forecast = _values(ahead, TEMPERATURE_FORECAST_C, "forecast", pl.coalesce(said, issued))
    measured = _values(ahead, TEMPERATURE_C, "actual" if replay else "forecast", pl.lit(end))
    if not replay:
        measured = measured.join(coming_forecast, on=["zone", "time"], how="anti")
    return pl.concat([forecast, coming_forecast, measured])


def _values(rows: pl.DataFrame, field: Field, kind: str, available_at: pl.Expr) -> pl.DataFrame:
    there = rows.filter(
        pl.col("zone").is_not_null() & pl.col("time").is_not_null() & pl.col(field.name).is_not_null()
    ).select(
        "zone",
        "time",
        pl.col(field.name).alias("temperature_c"),
        pl.lit(kind).alias("kind"),
        available_at.alias("available_at"),
    )
    plausible = there.filter(pl.col("temperature_c").is_between(field.minimum, field.maximum))
    if plausible.height < there.height:
        log.warning(
            "%d value(s) of %s left out of the weather: not between %s and %s %s",
            there.height - plausible.height,
            field.name,
            field.minimum,
            field.maximum,
            field.unit,
        )
    return plausible.select(pl.col(name).cast(dtype) for name, dtype in WEATHER_SCHEMA.items())
