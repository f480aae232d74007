"""A table as received to rows of the landing schema."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from smartgrid.ingest.landing import SOURCE_SCHEMA
from smartgrid.ingest.mapping import Mapping, MissingColumns, map_columns
from smartgrid.ingest.numbers import parse_numbers
from smartgrid.ingest.times import parse_times
from smartgrid.ingest.units import load_factor, to_celsius
from smartgrid.lake.measurements import UTC_TIME
from smartgrid.settings import Source

# Column of a raw table that holds the whole text of a line which does not have the table's columns.
MALFORMED = "__malformed_line__"


def normalise(raw: pl.DataFrame, source: Source, timezone: str, source_ref: str) -> pl.DataFrame:
    """Rows of SOURCE_SCHEMA in the order of `raw`; with `source.wide`, one per zone column and row.

    What cannot be read is null in its column and kept as text in raw_time, raw_load or raw_temperature.

    Raises:
        MissingColumns, ConfigurationError
    """
    names = [name for name in raw.columns if name != MALFORMED]
    mapping = map_columns(names, source, source_ref)
    interval = timedelta(minutes=source.interval_minutes)
    height = raw.height
    malformed = raw[MALFORMED] if MALFORMED in raw.columns else _constant(None, height)

    zone = _constant(source.zone, height) if mapping.zone is None else _text(raw[mapping.zone])
    time, raw_time = parse_times(raw[mapping.time], timezone, source.time_format, zone)
    if source.time_is_interval_end:
        time = time - interval
    rows = pl.DataFrame(
        {
            "zone": zone,
            "time": time,
            # A line without the right columns cannot be told apart: its whole text is kept where the time would be.
            "raw_time": raw_time.fill_null(malformed),
            "malformed": malformed.is_not_null(),
        }
    ).with_columns(zone=pl.when(~pl.col("malformed")).then("zone"))
    rows = rows.with_columns(_available_at(raw, mapping, timezone))
    rows = rows.with_columns(*_temperatures(raw, source, mapping))
    if source.wide:
        rows = _melted(raw, rows, source, mapping, source_ref)
    else:
        assert mapping.load is not None
        rows = rows.with_columns(raw[mapping.load].alias("load"))
    load, raw_load = parse_numbers(rows["load"], source.decimal_comma)
    factor = load_factor(mapping.load_unit, source.interval_minutes)
    return rows.with_columns(
        pl.lit(source_ref).alias("source_ref"), (load * factor).alias("load_kw"), raw_load.alias("raw_load")
    ).select(pl.col(name).cast(dtype) for name, dtype in SOURCE_SCHEMA.items())


def _available_at(raw: pl.DataFrame, mapping: Mapping, timezone: str) -> pl.Series:
    """When each reading became known, where the source says so."""
    if mapping.available_at is None:
        return pl.Series("available_at", [None], dtype=UTC_TIME).new_from_index(0, raw.height)
    given, _ = parse_times(raw[mapping.available_at], timezone)
    return given.alias("available_at")


def _temperatures(raw: pl.DataFrame, source: Source, mapping: Mapping) -> list[pl.Series]:
    nothing = pl.Series([None], dtype=pl.Float64).new_from_index(0, raw.height)
    measured, unread, forecast = nothing, _constant(None, raw.height), nothing
    if mapping.temperature is not None:
        measured, unread = parse_numbers(raw[mapping.temperature], source.decimal_comma)
    if mapping.temperature_forecast is not None:
        forecast, _ = parse_numbers(raw[mapping.temperature_forecast], source.decimal_comma)
    unit = mapping.temperature_unit
    return [
        to_celsius(measured, unit).alias("temperature_c"),
        to_celsius(forecast, unit).alias("temperature_forecast_c"),
        unread.alias("raw_temperature"),
    ]


def _melted(raw: pl.DataFrame, rows: pl.DataFrame, source: Source, mapping: Mapping, source_ref: str) -> pl.DataFrame:
    """One row per zone column, in the order of the file. Lines that are malformed stay one row."""
    zones = [
        name
        for name in raw.columns
        if name not in mapping.named and name != MALFORMED and _is_numeric(raw[name], source.decimal_comma)
    ]
    if not zones:
        raise MissingColumns(source_ref, {"source.wide": "one column of numbers per zone"}, raw.columns)
    base = rows.drop("zone").with_row_index("row")
    whole = base.filter(~pl.col("malformed"))
    loads = raw.select(pl.col(name).cast(pl.String) for name in zones).with_row_index("row")
    loads = loads.join(whole.select("row"), on="row", how="semi", maintain_order="left")
    long = loads.unpivot(index="row", on=zones, variable_name="zone", value_name="load")
    melted = whole.join(long, on="row", how="left", maintain_order="left_right")
    broken = base.filter(pl.col("malformed")).with_columns(
        pl.lit(None, pl.String).alias("zone"), pl.lit(None, pl.String).alias("load")
    )
    return pl.concat([melted, broken.select(melted.columns)]).sort("row", maintain_order=True)


def _is_numeric(values: pl.Series, decimal_comma: bool) -> bool:
    """Whether a column is mostly numbers: a remark or a name is no zone, a zone with some junk is one."""
    numbers, unread = parse_numbers(values, decimal_comma)
    good = numbers.len() - numbers.null_count()
    return good > 0 and good >= unread.len() - unread.null_count()


def _text(values: pl.Series) -> pl.Series:
    text = values.cast(pl.String, strict=False).str.strip_chars()
    return text.set((text == "").fill_null(False), None)


def _constant(value: str | None, height: int) -> pl.Series:
    return pl.Series([value], dtype=pl.String).new_from_index(0, height)
