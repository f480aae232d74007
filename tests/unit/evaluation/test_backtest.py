"""A backtest sees nothing of the time that it judges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from synthetic_load import synthetic

from smartgrid.evaluation.backtest import naive, rolling_origin, system_total
from smartgrid.evaluation.scale import weekly_naive_scales
from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.lake.measurements import WEATHER_SCHEMA

FIRST, LAST = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 28, tzinfo=UTC)
BEGIN, END = np.datetime64("2024-03-08", "us"), np.datetime64("2024-03-29", "us")


class NewestTarget:
    """Remembers the newest target time that it was fitted on and predicts the level."""

    def __init__(self) -> None:
        self.origins: list[np.datetime64] = []

    def fit(self, frame: FeatureFrame) -> NewestTarget:
        self.origins.append(frame.target_time.max())
        self.level = frame.schema.index("level_kw")
        return self

    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return X[:, self.level]


@pytest.fixture(scope="module")
def measurements() -> pl.DataFrame:
    return synthetic({"A": 100.0, "B": 300.0})


@pytest.fixture(scope="module")
def frame(measurements: pl.DataFrame) -> FeatureFrame:
    return build_frame(
        measurements,
        pl.DataFrame(schema=WEATHER_SCHEMA),
        zones=["A", "B"],
        first_day=FIRST,
        last_day=LAST,
        timezone="UTC",
        interval_minutes=60,
        holidays=None,
        temperature="none",
    )


def test_every_refit_ends_before_the_days_it_forecasts(frame: FeatureFrame) -> None:
    recipe = NewestTarget()
    table = rolling_origin(recipe, frame, BEGIN, END, refit_days=7)
    starts = [BEGIN + np.timedelta64(7 * week, "D") for week in range(3)]
    assert recipe.origins == [start - np.timedelta64(1, "h") for start in starts]
    assert table.height == 2 * 24 * 21


def test_the_second_window_begins_with_a_refit_of_its_own(frame: FeatureFrame) -> None:
    recipe, border = NewestTarget(), BEGIN + np.timedelta64(10, "D")
    seen: list[np.datetime64] = []
    table = rolling_origin(
        recipe, frame, BEGIN, END, refit_days=7, border=border, on_fit=lambda origin, model, fit_s: seen.append(origin)
    )
    assert seen == [BEGIN + np.timedelta64(days, "D") for days in (0, 7, 10, 17)]
    assert recipe.origins == [origin - np.timedelta64(1, "h") for origin in seen]
    assert table.height == 2 * 24 * 21


def test_a_change_of_clocks_brings_no_fit_for_an_hour_without_forecasts(frame: FeatureFrame) -> None:
    recipe = NewestTarget()
    hour = np.timedelta64(1, "h")
    table = rolling_origin(recipe, frame, BEGIN, END + hour, refit_days=7)
    assert len(recipe.origins) == 3
    assert table.height == 2 * 24 * 21
    recipe = NewestTarget()
    rolling_origin(recipe, frame, BEGIN, END, refit_days=7, border=BEGIN + np.timedelta64(7, "D") + hour)
    assert len(recipe.origins) == 3


@pytest.mark.parametrize(("fit_s", "fits"), [(1.0, 3), (6.0, 2), (16.0, 2)])
def test_the_slower_the_first_fit_the_fewer_there_are(
    frame: FeatureFrame, monkeypatch: pytest.MonkeyPatch, fit_s: float, fits: int
) -> None:
    clock = iter(np.arange(100) * fit_s)
    monkeypatch.setattr("smartgrid.evaluation.backtest.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("smartgrid.evaluation.backtest.SHORT_HISTORY_DAYS", 0)
    recipe = NewestTarget()
    rolling_origin(recipe, frame, BEGIN, END, border=BEGIN + np.timedelta64(14, "D"))
    assert len(recipe.origins) == fits


def test_every_day_is_issued_at_its_own_midnight(frame: FeatureFrame) -> None:
    table = rolling_origin(NewestTarget(), frame, BEGIN, END, refit_days=7)
    horizon_h = (table["target_time"] - table["issue_time"]).dt.total_hours()
    assert (horizon_h.min(), horizon_h.max()) == (0, 23)


def test_naive_forecasts_repeat_yesterday_and_last_week(frame: FeatureFrame, measurements: pl.DataFrame) -> None:
    for method, days in (("daily_naive", 1), ("weekly_naive", 7)):
        table = naive(frame, BEGIN, END, method)
        past = measurements.select("zone", pl.col("time") + timedelta(days=days), pl.col("load_kw").alias("past_kw"))
        both = table.join(past, left_on=["zone", "target_time"], right_on=["zone", "time"])
        assert both.height == table.height
        np.testing.assert_allclose(both["predicted_kw"].to_numpy(), both["past_kw"].to_numpy(), rtol=1e-12)


def test_the_system_total_needs_every_zone(frame: FeatureFrame) -> None:
    table = naive(frame, BEGIN, END, "daily_naive")
    whole = system_total(table)
    assert whole.height == 24 * 21
    hole = table.with_columns(
        pl.when((pl.col("zone") == "A") & (pl.col("target_time") == table["target_time"][5]))
        .then(float("nan"))
        .otherwise("actual_kw")
        .alias("actual_kw")
    )
    assert system_total(hole).height == whole.height - 1
    first = table.filter(pl.col("target_time") == whole["target_time"][0])
    assert whole["actual_kw"][0] == pytest.approx(first["actual_kw"].sum())


def test_the_scale_of_mase_is_the_weekly_difference_before_the_window(measurements: pl.DataFrame) -> None:
    scales = weekly_naive_scales(measurements, FIRST)
    own = measurements.filter((pl.col("zone") == "A") & (pl.col("time") < FIRST))["load_kw"].to_numpy()
    assert scales["A"] == pytest.approx(np.abs(own[168:] - own[:-168]).mean())
    assert set(scales) == {"A", "B", "SYSTEM"}
