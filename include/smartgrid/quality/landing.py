"""Columns of a landing batch: rows exactly as received, after column mapping and unit conversion."""

from __future__ import annotations

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")
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


def schema_problems(frame: pl.DataFrame) -> list[str]:
    """What keeps `frame` from being a landing batch; empty if nothing does."""
    problems = []
    for name, dtype in LANDING_SCHEMA.items():
        if name not in frame.columns:
            problems.append(f"column {name} is missing")
        elif frame.schema[name] != dtype:
            problems.append(f"column {name} is {frame.schema[name]}, expected {dtype}")
    problems.extend(f"unknown column {name}" for name in frame.columns if name not in LANDING_SCHEMA)
    return problems
