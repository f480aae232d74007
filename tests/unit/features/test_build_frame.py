"""Features use only what was known at issue time, and compare zones of any size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from synthetic_load import synthetic

from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.lake.measurements import WEATHER_SCHEMA


@pytest.fixture
def measurements() -> pl.DataFrame:
    """Two zones of very different size."""
    return synthetic({"small": 100.0, "large": 50_000.0})


NO_WEATHER = pl.DataFrame(schema=WEATHER_SCHEMA)
DAY = datetime(2024, 4, 10, tzinfo=UTC)


def frame_of(measurements: pl.DataFrame, **changes: Any) -> FeatureFrame:
    options: dict[str, Any] = {
        "zones": ["small", "large"],
        "first_day": DAY,
        "last_day": DAY,
        "timezone": "UTC",
        "interval_minutes": 60,
        "holidays": None,
        "temperature": "none",
        "weather": NO_WEATHER,
    }
    options |= changes
    weather = options.pop("weather")
    return build_frame(measurements, weather, **options)


def test_changing_the_future_changes_no_feature(measurements: pl.DataFrame) -> None:
    future = pl.col("time") >= DAY
    moved = measurements.with_columns(
        pl.when(future).then(pl.col("load_kw") * 3 + 1000).otherwise("load_kw").alias("load_kw"),
        pl.when(future).then(pl.lit(-20.0)).otherwise("temperature_c").alias("temperature_c"),
    )
    for temperature in ("none", "forecast"):
        weather = pl.DataFrame(schema=WEATHER_SCHEMA)
        if temperature == "forecast":
            weather = measurements.filter(pl.col("zone") == "small").select(
                "zone",
                "time",
                pl.col("temperature_c") + 1,
                pl.lit("forecast").alias("kind"),
                "available_at",
            )
            weather = pl.concat([weather, weather.with_columns(pl.lit("large").alias("zone"))])
        before = frame_of(measurements, temperature=temperature, weather=weather)
        after = frame_of(moved, temperature=temperature, weather=weather)
        np.testing.assert_array_equal(before.X, after.X)
        assert not np.array_equal(before.y_kw, after.y_kw)


def test_deleting_the_future_changes_no_feature(measurements: pl.DataFrame) -> None:
    known = measurements.filter(pl.col("time") < DAY)
    np.testing.assert_array_equal(frame_of(measurements).X, frame_of(known).X)
    assert np.isnan(frame_of(known).y_kw).all()


def test_a_reading_that_came_late_is_not_used_before_it_was_known(measurements: pl.DataFrame) -> None:
    yesterday = (pl.col("zone") == "small") & (pl.col("time") == DAY - timedelta(hours=12))
    late = measurements.with_columns(
        pl.when(yesterday).then(pl.lit(DAY + timedelta(days=3))).otherwise("available_at").alias("available_at"),
        pl.when(yesterday).then(pl.lit(1e6)).otherwise("load_kw").alias("load_kw"),
    )
    without = measurements.filter(~yesterday)
    np.testing.assert_array_equal(frame_of(late).X, frame_of(without).X)
    later = DAY + timedelta(days=4)
    frame = frame_of(late, first_day=later, last_day=later, zones=["small"])
    assert frame.column("lag_5d").max() > 100


def test_zones_of_any_size_have_comparable_features(measurements: pl.DataFrame) -> None:
    frame = frame_of(measurements)
    small, large = (frame.X[frame.zone == zone] for zone in ("small", "large"))
    scale_free = [index for index, name in enumerate(frame.schema.names) if name not in ("zone_code", "level_kw")]
    assert np.abs(small[:, scale_free] - large[:, scale_free]).max() < 0.2
    assert frame.column("level_kw")[0] == pytest.approx(100, rel=0.2)


def test_lags_are_the_loads_of_the_days_before(measurements: pl.DataFrame) -> None:
    frame = frame_of(measurements, zones=["large"])
    loads = dict(measurements.filter(pl.col("zone") == "large").select("time", "load_kw").iter_rows())
    for row in (0, 13, 23):
        target = DAY + timedelta(hours=row)
        for days in (1, 7, 21):
            expected = loads[target - timedelta(days=days)]
            assert frame.column(f"lag_{days}d")[row] * frame.column("level_kw")[row] == pytest.approx(expected)
    assert frame.column("last_load")[0] * frame.column("level_kw")[0] == pytest.approx(loads[DAY - timedelta(hours=1)])


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-06-01", 24)])
def test_a_local_day_has_as_many_rows_as_it_has_hours(day: str, hours: int) -> None:
    rows = synthetic({"Z": 10.0}, days=330)
    local = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    frame = frame_of(rows, zones=["Z"], first_day=local, last_day=local, timezone="Europe/Berlin")
    assert len(frame) == hours
    assert np.isfinite(frame.column("lag_1d")).all()
    assert np.isfinite(frame.y_kw).all()


def test_half_hourly_data_have_48_slots() -> None:
    hourly = synthetic({"Z": 10.0}, days=60)
    half = hourly.with_columns(pl.col("time") + timedelta(minutes=30), pl.col("available_at") + timedelta(minutes=30))
    both = pl.concat([hourly, half]).sort("zone", "time")
    day = datetime(2024, 2, 20, tzinfo=UTC)
    frame = frame_of(both, zones=["Z"], first_day=day, last_day=day, interval_minutes=30)
    assert len(frame) == 48
    assert frame.column("slot").tolist() == list(range(48))
    assert np.isfinite(frame.X).all()


def test_a_gap_is_filled_from_the_week_before(measurements: pl.DataFrame) -> None:
    gap = (pl.col("zone") == "large") & (pl.col("time") == DAY - timedelta(hours=10))
    frame = frame_of(measurements.filter(~gap), zones=["large"])
    full = frame_of(measurements, zones=["large"])
    week_before = full.column("lag_8d")[14] * full.column("level_kw")[14]
    assert frame.column("lag_1d")[14] * frame.column("level_kw")[14] == pytest.approx(week_before)


def test_a_zone_that_training_did_not_see_gets_the_code_minus_one(measurements: pl.DataFrame) -> None:
    frame = frame_of(measurements, schema_zones=["large"])
    assert set(frame.column("zone_code")[frame.zone == "small"]) == {-1.0}
    assert set(frame.column("zone_code")[frame.zone == "large"]) == {0.0}


def test_holidays_mark_the_day_and_its_neighbours(measurements: pl.DataFrame) -> None:
    rows = measurements.filter(pl.col("zone") == "small")
    flags = {}
    for offset, day in enumerate(("2024-02-18", "2024-02-19", "2024-02-20")):
        moment = datetime.fromisoformat(f"{day}T00:00:00+00:00")
        frame = frame_of(rows, zones=["small"], first_day=moment, last_day=moment, holidays="US")
        names = ("holiday_tomorrow", "holiday", "holiday_yesterday")
        flags[day] = tuple(frame.column(name)[0] for name in names)
        assert flags[day][offset] == 1.0  # Presidents' Day 2024-02-19
        assert sum(flags[day]) == 1.0


def test_no_measurements_at_all_give_rows_without_a_level() -> None:
    empty = pl.DataFrame(
        schema={
            "zone": pl.String,
            "time": pl.Datetime("us", "UTC"),
            "load_kw": pl.Float64,
            "temperature_c": pl.Float64,
            "available_at": pl.Datetime("us", "UTC"),
        }
    )
    frame = frame_of(empty, zones=["ghost"])
    assert len(frame) == 24
    assert np.isnan(frame.column("level_kw")).all()
    assert len(frame.trainable()) == 0


def test_a_like_day_is_the_last_one_off_or_at_work(measurements: pl.DataFrame) -> None:
    rows = measurements.filter(pl.col("zone") == "large")
    loads = dict(rows.select("time", "load_kw").iter_rows())
    # Monday follows Friday, Saturday Sunday, Sunday Saturday; Presidents' Day Sunday, and the Tuesday after it Friday.
    for day, back in (("2024-04-08", 3), ("2024-04-06", 6), ("2024-04-07", 1), ("2024-02-19", 1), ("2024-02-20", 4)):
        moment = datetime.fromisoformat(f"{day}T00:00:00+00:00")
        frame = frame_of(rows, zones=["large"], first_day=moment, last_day=moment, holidays="US")
        expected = loads[moment + timedelta(hours=5) - timedelta(days=back)]
        assert frame.column("like_day_lag")[5] * frame.column("level_kw")[5] == pytest.approx(expected)


def test_the_profile_of_yesterday_and_the_hours_beside_the_lag_are_loads_of_yesterday(
    measurements: pl.DataFrame,
) -> None:
    frame = frame_of(measurements, zones=["large"])
    loads = dict(measurements.filter(pl.col("zone") == "large").select("time", "load_kw").iter_rows())
    level = frame.column("level_kw")[0]
    assert frame.column("last_day_at_6h")[0] * level == pytest.approx(loads[DAY - timedelta(hours=19)])
    assert frame.column("lag_1d_2h_before")[9] * level == pytest.approx(loads[DAY - timedelta(hours=17)])
    assert frame.column("lag_1d_2h_after")[23] * level == pytest.approx(loads[DAY - timedelta(hours=1)]), "not of today"


def test_temperatures_of_the_hours_around_stay_between_yesterday_and_the_day_ahead(measurements: pl.DataFrame) -> None:
    frame = frame_of(measurements, zones=["large"], temperature="actual")
    celsius = dict(measurements.filter(pl.col("zone") == "large").select("time", "temperature_c").iter_rows())
    assert frame.column("temperature_2h_before")[1] * 10 == pytest.approx(celsius[DAY - timedelta(hours=1)])
    assert frame.column("temperature_3h_after")[4] * 10 == pytest.approx(celsius[DAY + timedelta(hours=7)])
    assert frame.column("temperature_3h_after")[22] * 10 == pytest.approx(celsius[DAY + timedelta(hours=23)])
    day = [celsius[DAY + timedelta(hours=hour)] for hour in range(24)]
    assert frame.column("temperature_day_max")[7] * 10 == pytest.approx(max(day))
    assert frame.column("temperature_day_min")[7] * 10 == pytest.approx(min(day))
