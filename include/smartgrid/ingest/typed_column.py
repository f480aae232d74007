"""Values of a database row or a JSON record as one column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from smartgrid.lake.measurements import UTC_TIME


def typed_column(name: str, values: Sequence[Any]) -> pl.Series:
    """Times stay times, numbers numbers; where types are mixed all become text, to be read like a CSV file."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, datetime) for value in present):
        if all(value.tzinfo is not None for value in present):
            in_utc = [None if value is None else value.astimezone(UTC) for value in values]
            return pl.Series(name, in_utc, dtype=UTC_TIME)
        if all(value.tzinfo is None for value in present):
            return pl.Series(name, values, dtype=pl.Datetime("us"))
    if present and all(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in present):
        if all(isinstance(value, int) and abs(value) < 2**62 for value in present):
            return pl.Series(name, values, dtype=pl.Int64)
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series(name, [as_text(value) for value in values], dtype=pl.String)


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)
