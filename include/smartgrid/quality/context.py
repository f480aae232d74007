"""Accepted measurements around a batch: what a one-day batch needs to know what is normal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from smartgrid import lake
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA

CONTEXT = timedelta(days=28)
AFTER = timedelta(days=1)


def read_context(root: str, frame: pl.DataFrame, before: datetime) -> pl.DataFrame:
    """Measurements from 28 days before the first row of the batch (times from `before` on are not looked at).

    A batch that is dense over its own span needs only what precedes and follows it; a batch of late or corrected rows
    needs what lies between them.
    """
    times = frame.filter(pl.col("time") < before)["time"]
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return pl.DataFrame(schema=MEASUREMENT_SCHEMA)
    # Garbage such as the year 1 must not overflow; nothing is read for it either.
    first = max(first.astimezone(UTC), datetime(1900, 1, 1, tzinfo=UTC))
    last = max(last.astimezone(UTC), first)
    known = lake.read_measurements(root, lake.Window(first - CONTEXT, last + AFTER))
    if not known.height or last - first <= CONTEXT:
        return known
    # Rows that the batch brings again are no context; dropping them here keeps a repeated bulk load cheap.
    return known.join(frame.select("zone", "time"), on=["zone", "time"], how="anti")
