"""Forecasts that cannot be are found, those that can be are left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from synthetic_load import synthetic

from smartgrid.evaluation.plausibility import plausibility

START = datetime(2024, 3, 1, tzinfo=UTC)
MEASURED = synthetic({"A": 100.0, "B": 40_000.0}, days=90)


def table() -> pl.DataFrame:
    """A forecast that is what was measured."""
    rows = MEASURED.filter(pl.col("time") >= START)
    return rows.select(
        "zone",
        pl.col("time").alias("target_time"),
        pl.col("time").dt.truncate("1d").alias("issue_time"),
        pl.col("load_kw").alias("actual_kw"),
        pl.col("load_kw").alias("predicted_kw"),
    )


def findings(forecast: pl.DataFrame, measured: pl.DataFrame = MEASURED) -> dict[str, float]:
    return plausibility(forecast, measured, interval_minutes=60, timezone="UTC", start=START)


def with_first(value: float, rows: int = 1) -> pl.DataFrame:
    forecast = table().with_row_index()
    return forecast.with_columns(
        pl.when(pl.col("index") < rows).then(value).otherwise(pl.col("predicted_kw")).alias("predicted_kw")
    ).drop("index")


def test_what_was_measured_is_plausible() -> None:
    found = findings(table())
    assert (found["missing_rows"], found["negative_rows"], found["constant_zones"]) == (0, 0, 0)
    assert found["jump_ratio"] == pytest.approx(1, abs=0.3)


def test_gaps_negative_loads_and_flat_lines_are_counted() -> None:
    assert findings(with_first(float("nan"), 3))["missing_rows"] == 3
    assert findings(with_first(-1.0, 2))["negative_rows"] == 2
    flat = table().with_columns(
        pl.when(pl.col("zone") == "A").then(100.0).otherwise(pl.col("predicted_kw")).alias("predicted_kw")
    )
    assert findings(flat)["constant_zones"] == 1


def test_a_negative_load_is_fine_where_history_has_some() -> None:
    fed_back = MEASURED.with_columns(
        pl.when(pl.col("time") < datetime(2024, 1, 2, tzinfo=UTC))
        .then(-5.0)
        .otherwise(pl.col("load_kw"))
        .alias("load_kw")
    )
    assert findings(with_first(-1.0), fed_back)["negative_rows"] == 0


def test_one_leap_stands_out_whatever_the_size_of_the_zone() -> None:
    for zone, level in (("A", 100.0), ("B", 40_000.0)):
        forecast = table().with_columns(
            pl.when((pl.col("zone") == zone) & (pl.col("target_time") == START + timedelta(hours=30)))
            .then(3 * level)
            .otherwise(pl.col("predicted_kw"))
            .alias("predicted_kw")
        )
        assert findings(forecast)["jump_ratio"] > 3


def test_a_zone_that_doubled_is_no_leap() -> None:
    doubled = table().with_columns(pl.col("predicted_kw") * 2)
    assert findings(doubled)["jump_ratio"] == pytest.approx(findings(table())["jump_ratio"])


def test_a_constant_series_and_one_without_history_have_no_jumps_to_compare() -> None:
    constant = MEASURED.with_columns(pl.lit(5.0).alias("load_kw"))
    flat = table().with_columns(pl.lit(5.0).alias("actual_kw"), pl.lit(5.0).alias("predicted_kw"))
    assert findings(flat, constant) == {
        "missing_rows": 0.0,
        "negative_rows": 0.0,
        "constant_zones": 0.0,
        "jump_ratio": 0.0,
    }
    assert findings(table(), MEASURED.clear())["jump_ratio"] == 0.0
    assert np.isfinite(findings(table().clear())["jump_ratio"])
