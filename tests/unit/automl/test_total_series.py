"""The total of all zones has the temperature of where the load is, weighted by what was known before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from smartgrid.automl.backtest_command import load_shares, total_series, total_weather

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def table(rows: list[tuple[str, int, float, float | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [(zone, NOON + timedelta(hours=hour), load, celsius) for zone, hour, load, celsius in rows],
        schema={
            "zone": pl.String,
            "time": pl.Datetime("us", "UTC"),
            "load_kw": pl.Float64,
            "temperature_c": pl.Float64,
        },
        orient="row",
    ).with_columns((pl.col("time") + timedelta(hours=1)).alias("available_at"))


def test_shares_are_of_the_loads_before_the_window_only() -> None:
    rows = table([("A", 0, 300.0, 0.0), ("B", 0, 100.0, 0.0), ("A", 5, 1.0, 0.0), ("B", 5, 9_999.0, 0.0)])
    shares = dict(load_shares(rows, NOON + timedelta(hours=5)).iter_rows())
    assert shares == {"A": 0.75, "B": 0.25}


def test_the_total_adds_loads_and_weights_temperatures() -> None:
    rows = table([("A", 0, 300.0, 10.0), ("B", 0, 100.0, 20.0), ("A", 1, 300.0, None), ("B", 1, 100.0, 20.0)])
    rows = pl.concat([rows, table([("A", 2, 300.0, 10.0)])])
    total = total_series(rows, load_shares(rows, NOON + timedelta(hours=1)))
    assert total["load_kw"].to_list() == [400.0, 400.0], "an hour at which a zone is missing has no total"
    assert total["temperature_c"].to_list() == pytest.approx([12.5, 20.0])


def test_forecasts_of_the_weather_are_weighted_the_same_way() -> None:
    rows = table([("A", 0, 300.0, 10.0), ("B", 0, 100.0, 20.0)])
    weather = rows.select("zone", "time", "temperature_c", pl.lit("forecast").alias("kind"), "available_at")
    total = total_weather(weather, load_shares(rows, NOON + timedelta(hours=1)))
    assert total["temperature_c"].to_list() == pytest.approx([12.5])
