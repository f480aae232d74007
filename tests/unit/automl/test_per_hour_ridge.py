"""The ridge does what ridge regressions do, and serves zones that it never saw."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge
from synthetic_load import synthetic

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.per_hour_ridge import PerHourRidge
from smartgrid.automl.trainer import Budget, NotEnoughHistory
from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.lake.measurements import WEATHER_SCHEMA


def build(rows: pl.DataFrame, zones: list[str], first: str, last: str, known: list[str] | None = None) -> FeatureFrame:
    return build_frame(
        rows,
        pl.DataFrame(schema=WEATHER_SCHEMA),
        zones=zones,
        first_day=datetime.fromisoformat(first).replace(tzinfo=UTC),
        last_day=datetime.fromisoformat(last).replace(tzinfo=UTC),
        timezone="UTC",
        interval_minutes=60,
        holidays=None,
        temperature="actual",
        schema_zones=known,
    )


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return synthetic({"A": 100.0, "B": 50_000.0})


@pytest.fixture(scope="module")
def training(rows: pl.DataFrame) -> FeatureFrame:
    return build(rows, ["A", "B"], "2024-01-25", "2024-04-15")


def test_batched_normal_equations_equal_scikit_learns_ridge() -> None:
    rng = np.random.default_rng(1)
    inputs, target = rng.normal(3, 2, (300, 12)), rng.normal(5, 1, 300)
    inputs[:, 4] = 1.5  # a constant column
    sums = CrossProducts.empty(1, 12)
    sums.add(0, inputs[:100], target[:100])
    sums.add(0, inputs[100:], target[100:])
    weights, intercept = solve(sums, 0, alpha=7.0)
    scale = np.where(inputs.std(axis=0) > 0, inputs.std(axis=0), 1.0)
    peer = Ridge(alpha=7.0).fit((inputs - inputs.mean(axis=0)) / scale, target)
    np.testing.assert_allclose(weights, peer.coef_ / scale, atol=1e-10)
    expected = peer.predict((inputs[:5] - inputs.mean(axis=0)) / scale)
    np.testing.assert_allclose(inputs[:5] @ weights + intercept, expected, atol=1e-10)


def test_a_penalty_of_each_column_is_that_of_the_scaled_column() -> None:
    rng = np.random.default_rng(3)
    inputs, target = rng.normal(0, 1, (200, 4)), rng.normal(0, 1, 200)
    target += inputs @ np.array([1.0, 1.0, 1.0, 5.0])
    sums = CrossProducts.empty(1, 4)
    sums.add(0, inputs, target)
    weights, _ = solve(sums, 0, np.array([1.0, 1.0, 1.0, 1e9]))
    assert abs(weights[3]) < 1e-4
    without = Ridge(alpha=1.0).fit((inputs / inputs.std(axis=0))[:, :3], target)
    np.testing.assert_allclose(weights[:3] * inputs.std(axis=0)[:3], without.coef_, atol=1e-4)


def test_it_beats_the_weekly_naive_on_days_it_did_not_see(rows: pl.DataFrame, training: FeatureFrame) -> None:
    model = PerHourRidge().search(training, Budget(60), lambda _: None).fit(training)
    unseen = build(rows, ["A", "B"], "2024-04-16", "2024-04-28")
    naive = unseen.column("lag_7d") * unseen.column("level_kw")
    for zone in ("A", "B"):
        own = unseen.zone == zone
        mine = np.abs(model.predict(unseen.X)[own] - unseen.y_kw[own]).mean()
        assert mine < 0.7 * np.abs(naive[own] - unseen.y_kw[own]).mean()


def test_a_zone_that_training_did_not_see_is_served_by_the_pooled_model(training: FeatureFrame) -> None:
    model = PerHourRidge().search(training, Budget(60), lambda _: None).fit(training)
    young = synthetic({"new": 7.0})
    frame = build(young, ["new"], "2024-04-20", "2024-04-25", known=["A", "B"])
    load = model.predict(frame.X)
    assert np.abs(load / frame.y_kw - 1).mean() < 0.06


def test_missing_features_are_replaced_and_a_missing_level_gives_no_number(training: FeatureFrame) -> None:
    model = PerHourRidge().search(training, Budget(60), lambda _: None).fit(training)
    X = training.X[:3].copy()
    X[0, training.schema.index("lag_3d")] = np.nan
    X[1, training.schema.index("level_kw")] = np.nan
    load = model.predict(X)
    assert np.isfinite(load[[0, 2]]).all()
    assert np.isnan(load[1])


def test_too_little_history_is_a_typed_error_with_facts(rows: pl.DataFrame) -> None:
    short = build(rows, ["A"], "2024-02-01", "2024-02-10")
    recipe = PerHourRidge().search(short, Budget(60), lambda _: None)
    with pytest.raises(NotEnoughHistory) as caught:
        recipe.fit(short)
    assert caught.value.need_days == 28
