"""Read a CSV of corrected rows: the export of a quarantine, changed by a person in a spreadsheet."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.lake.measurements import UTC_TIME
from smartgrid.quality.errors import CorrectionUnreadable

# Canonical column -> the column with its text where that could not be parsed.
PARSED = {"time": "raw_time", "load_kw": "raw_load", "temperature_c": "raw_temperature"}


def read_correction(path: Path, quarantined: pl.DataFrame) -> pl.DataFrame:
    """Corrected rows with LANDING_SCHEMA, matched to `quarantined` by row_number.

    An empty value takes the text of its raw column, so that either may be corrected. Columns that the file leaves out
    keep their quarantined values.

    Raises:
        CorrectionUnreadable: no such file, no row_number, or rows that are not in quarantine.
    """
    try:
        text = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise CorrectionUnreadable(str(path), "no such file") from None
    except pl.exceptions.PolarsError as error:
        raise CorrectionUnreadable(str(path), f"not a CSV file ({error})") from None
    if "row_number" not in text.columns:
        raise CorrectionUnreadable(str(path), "the column row_number is missing")
    rows = text.with_columns(pl.col("row_number").str.strip_chars().cast(pl.Int64, strict=False))
    _check_rows(path, rows["row_number"], quarantined["row_number"])
    kept = [name for name in LANDING_SCHEMA if name not in rows.columns]
    rows = rows.join(quarantined.select("row_number", *kept), on="row_number", maintain_order="left")
    for name, raw in PARSED.items():
        if name in text.columns:
            rows = _parsed(rows, name, raw, raw_given=raw in text.columns)
    if "temperature_forecast_c" in text.columns:
        rows = rows.with_columns(pl.col("temperature_forecast_c").cast(pl.Float64, strict=False))
    if "available_at" in text.columns:
        # The replay sets its own; an unreadable one must not cost the row.
        rows = rows.drop("available_at").join(quarantined.select("row_number", "available_at"), on="row_number")
    return rows.select(pl.col(name).cast(dtype) for name, dtype in LANDING_SCHEMA.items())


def _check_rows(path: Path, given: pl.Series, quarantined: pl.Series) -> None:
    if given.null_count():
        raise CorrectionUnreadable(str(path), f"{given.null_count()} row(s) have no row_number")
    if given.is_duplicated().any():
        raise CorrectionUnreadable(str(path), f"row_number {given.filter(given.is_duplicated())[0]} appears twice")
    strangers = given.filter(~given.is_in(quarantined.implode()))
    if strangers.len():
        raise CorrectionUnreadable(str(path), f"row {strangers[0]} is not in the quarantine of this batch")


def _parsed(rows: pl.DataFrame, name: str, raw: str, *, raw_given: bool) -> pl.DataFrame:
    text = pl.col(name).str.strip_chars().replace("", None)
    if raw_given:
        text = pl.coalesce(text, pl.col(raw).str.strip_chars().replace("", None))
    rows = rows.with_columns(text.alias("_text"))
    if name == "time":
        value = pl.Series(name, [_time(one) for one in rows["_text"].to_list()], dtype=UTC_TIME)
    else:
        value = rows["_text"].cast(pl.Float64, strict=False).alias(name)
    return (
        rows.with_columns(value)
        .with_columns(pl.when(pl.col(name).is_null()).then(pl.col("_text")).alias(raw))
        .drop("_text")
    )


def _time(text: str | None) -> object:
    """ISO 8601 with offset; without one it is UTC, as the export writes it. None where it cannot be read."""
    from datetime import UTC, datetime

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
