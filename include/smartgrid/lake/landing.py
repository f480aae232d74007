"""Columns of a landed batch: rows as received, after column mapping and unit conversion. Nothing is dropped."""

from __future__ import annotations

import polars as pl

from smartgrid.lake.measurements import UTC_TIME

LANDING_SCHEMA: dict[str, pl.DataType] = {
    "row_number": pl.Int64(),
    "source_ref": pl.String(),
    "zone": pl.String(),
    "time": UTC_TIME,
    "load_kw": pl.Float64(),
    "temperature_c": pl.Float64(),
    "temperature_forecast_c": pl.Float64(),
    "available_at": UTC_TIME,
    # The original text where it was there but could not be parsed; the canonical value is then null.
    "raw_time": pl.String(),
    "raw_load": pl.String(),
    "raw_temperature": pl.String(),
}
