"""Slices hold the rows that their names promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from smartgrid.evaluation.slices import DayKinds, slice_scores

PARIS = "Europe/Paris"


def backtest(start: datetime, days: int, zones: tuple[str, ...] = ("A", "B")) -> pl.DataFrame:
    """Loads of 100 kW; the forecast is 10 kW off at weekends, else exact. Time zone: that of `start`."""
    rows = []
    for zone in zones:
        midnight = start
        while midnight < start + timedelta(days=days):
            following = (midnight + timedelta(days=1)).astimezone(UTC)
            moment = midnight.astimezone(UTC)
            while moment < following:
                off = 10.0 if midnight.weekday() >= 5 else 0.0
                rows.append((zone, moment, midnight.astimezone(UTC), 100.0, 100.0 + off))
                moment += timedelta(hours=1)
            midnight += timedelta(days=1)
    columns = ["zone", "target_time", "issue_time", "actual_kw", "predicted_kw"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        pl.col("target_time", "issue_time").cast(pl.Datetime("us", "UTC"))
    )


def by_name(table: pl.DataFrame, kinds: DayKinds) -> dict[str, dict[str, float]]:
    return {row["slice"]: row for row in slice_scores(table, kinds, {})}


def test_weekday_weekend_and_holiday_share_out_the_days() -> None:
    table = backtest(datetime(2024, 4, 29, tzinfo=ZoneInfo(PARIS)), 14)  # 1 May and 8 May (both Wednesday), 9 May
    found = by_name(table, DayKinds(PARIS, "FR"))
    assert {name: found[f"day:{name}"]["days"] for name in ("weekday", "weekend", "holiday")} == {
        "weekday": 7,
        "weekend": 4,
        "holiday": 3,
    }
    assert found["day:weekend"]["mape_percent"] == pytest.approx(10)
    assert found["day:weekday"]["mape_percent"] == 0
    assert sum(found[f"day:{name}"]["rows"] for name in ("weekday", "weekend", "holiday")) == found["system"]["rows"]


def test_peak_hours_are_local_and_on_working_days() -> None:
    table = backtest(datetime(2024, 7, 1, tzinfo=ZoneInfo(PARIS)), 7)
    found = by_name(table, DayKinds(PARIS, None))
    assert found["hours:peak"]["rows"] == 5 * 12
    assert found["hours:off-peak"]["rows"] == 7 * 24 - 5 * 12
    assert "day:holiday" not in found  # no rows, no score


def test_a_day_of_25_hours_is_one_day_and_seasons_are_months() -> None:
    table = backtest(datetime(2024, 10, 27, tzinfo=ZoneInfo(PARIS)), 1)
    found = by_name(table, DayKinds(PARIS, None))
    assert (found["system"]["rows"], found["system"]["days"]) == (25, 1)
    assert found["season:sep-nov"]["rows"] == 25
    assert "season:dec-feb" not in found


def test_every_zone_is_a_slice_with_its_own_scale() -> None:
    table = backtest(datetime(2024, 7, 6, tzinfo=UTC), 2)
    rows = slice_scores(table, DayKinds("UTC", None), {"A": 5.0, "B": 20.0})
    mase = {row["slice"]: row["mase"] for row in rows}
    assert (mase["zone:A"], mase["zone:B"]) == (pytest.approx(2.0), pytest.approx(0.5))


def test_the_hottest_and_coldest_tenth_come_from_daily_means_of_local_days() -> None:
    start = datetime(2024, 7, 1, tzinfo=ZoneInfo(PARIS))
    table = backtest(start, 20)
    measurements = table.select("zone", pl.col("target_time").alias("time")).with_columns(
        pl.col("time").dt.convert_time_zone(PARIS).dt.day().cast(pl.Float64).alias("temperature_c")
    )
    kinds = DayKinds.of(measurements, start, start + timedelta(days=20), PARIS, None)
    assert (len(kinds.hottest), len(kinds.coldest)) == (2, 2)
    hot = (datetime(2024, 7, 20) - datetime(1970, 1, 1)).days
    assert kinds.hottest == {hot, hot - 1}
    found = by_name(table, kinds)
    assert found["temperature:hottest"]["rows"] == 48
    assert found["temperature:hottest"]["mape_percent"] == pytest.approx(5)  # Friday 19 and Saturday 20 July


def test_few_days_or_no_temperature_have_no_extremes() -> None:
    start = datetime(2024, 7, 1, tzinfo=UTC)
    measurements = pl.DataFrame(
        {"zone": ["A"] * 30, "time": [start + timedelta(days=d) for d in range(30)], "temperature_c": [None] * 30},
        schema_overrides={"temperature_c": pl.Float64, "time": pl.Datetime("us", "UTC")},
    )
    assert DayKinds.of(measurements, start, start + timedelta(days=30), "UTC", None).hottest == frozenset()


def test_a_table_without_measurements_has_no_slices() -> None:
    table = backtest(datetime(2024, 7, 1, tzinfo=UTC), 2).with_columns(pl.lit(float("nan")).alias("actual_kw"))
    assert slice_scores(table, DayKinds("UTC", "FR"), {}) == []
