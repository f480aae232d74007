"""To which batch a row belongs."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from smartgrid.ingest.plausible_end import plausible_end
from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.lake.measurements import UTC_TIME

# What a source delivers: `row_number` is given when a batch is landed, and `available_at` where the source has none.
SOURCE_SCHEMA: dict[str, pl.DataType] = {name: dtype for name, dtype in LANDING_SCHEMA.items() if name != "row_number"}
# Beside these a source carries `anchor`: the time that decides to which window a row belongs.
ANCHOR = "anchor"
ANCHORED_SCHEMA: dict[str, pl.DataType] = {**SOURCE_SCHEMA, ANCHOR: UTC_TIME}


def empty_rows() -> pl.DataFrame:
    """No rows of ANCHORED_SCHEMA."""
    return pl.DataFrame(schema=ANCHORED_SCHEMA)


def with_anchor(rows: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    """Add the anchor to rows of SOURCE_SCHEMA in their original order.

    A reading belongs to the window of its time; a reading that became known only after its interval (a correction in
    `available_at`) to the window in which it became known, but never after the last reading, so that all of them land.
    A row without a readable time, or with one long after all others, goes with the row before it (the first rows with
    the row after), so that it lands exactly once however the data are cut into windows.
    """
    end = plausible_end(rows["time"])
    known = pl.min_horizontal(pl.col("available_at") - interval, pl.lit(end, UTC_TIME))
    # The maximum ignores nulls: without `available_at` it is the time.
    known = pl.when(pl.col("available_at").is_not_null()).then(known)
    anchor = pl.when(pl.col("time") <= pl.lit(end, UTC_TIME)).then(pl.max_horizontal(pl.col("time"), known))
    return rows.with_columns(anchor.forward_fill().backward_fill().cast(UTC_TIME).alias(ANCHOR))


def between(rows: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """Rows whose anchor lies in [start, end)."""
    return rows.filter((pl.col(ANCHOR) >= start) & (pl.col(ANCHOR) < end))
