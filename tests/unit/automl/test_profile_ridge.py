"""With weeks of history the profile takes a share where the history itself shows that it helps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.automl.penalty_search import Penalty
from smartgrid.automl.per_hour_ridge import PerHourRidge
from smartgrid.automl.profile_ridge import SHARE, choose_share, fit_profile
from smartgrid.automl.trainer import Budget
from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import PROFILE_COLUMNS
from smartgrid.lake.measurements import WEATHER_SCHEMA

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, SLOTS = 60, 24


def wandering(days: int) -> FeatureFrame:
    """A daily and weekly course on a level that wanders and is not drawn back: only the last loads tell where it is."""
    rng = np.random.default_rng(5)
    hour = np.arange(days * 24)
    weekend = (hour // 24) % 7 >= 5
    level = 100 + np.cumsum(rng.normal(0, 0.4, len(hour)))
    load = level + 15 * np.sin(2 * np.pi * hour / 24) - 10 * weekend
    times = [START + timedelta(hours=int(one)) for one in hour]
    rows = pl.DataFrame(
        {"zone": ["Z"] * len(hour), "time": times, "load_kw": load, "temperature_c": np.full(len(hour), np.nan)}
    ).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC")),
        (pl.col("time") + timedelta(hours=1)).cast(pl.Datetime("us", "UTC")).alias("available_at"),
    )
    return build_frame(
        rows,
        pl.DataFrame(schema=WEATHER_SCHEMA),
        zones=["Z"],
        first_day=START,
        last_day=times[-1],
        timezone="UTC",
        interval_minutes=60,
        holidays=None,
        temperature="none",
    )


def test_it_finds_how_much_of_a_deviation_goes_on_in_every_slot() -> None:
    rng = np.random.default_rng(1)
    slot = np.tile(np.arange(SLOTS), DAYS)
    profile = rng.normal(0, 1, (DAYS * SLOTS, 6))
    ratio = profile[:, 0] + 0.8 * profile[:, 1] + 0.1 * slot + rng.normal(0, 0.01, len(slot))
    fitted = fit_profile(profile, ratio, slot, SLOTS)
    assert fitted is not None
    weights, intercepts = fitted
    np.testing.assert_allclose(weights[:, 0], 1.0)
    np.testing.assert_allclose(weights[:, 1], 0.8, atol=0.02)
    np.testing.assert_allclose(intercepts, 0.1 * np.arange(SLOTS), atol=0.03)


def test_rows_with_gaps_are_not_used_and_too_few_give_nothing() -> None:
    profile = np.ones((20 * SLOTS, 6))
    slot = np.tile(np.arange(SLOTS), 20)
    assert fit_profile(profile, np.ones(len(slot)), slot, SLOTS) is None
    profile = np.full((DAYS * SLOTS, 6), np.nan)
    slot = np.tile(np.arange(SLOTS), DAYS)
    assert fit_profile(profile, np.ones(len(slot)), slot, SLOTS) is None


@pytest.mark.parametrize(("profile_is_right", "share"), [(True, SHARE), (False, 0.0)])
def test_the_folds_decide_whether_the_profile_takes_part(profile_is_right: bool, share: float) -> None:
    rng = np.random.default_rng(2)
    day, slot = np.repeat(np.arange(DAYS), SLOTS), np.tile(np.arange(SLOTS), DAYS)
    truth = rng.normal(1, 0.2, len(day))
    noise = rng.normal(1, 0.2, (len(day), 6))
    inputs = np.column_stack([noise, noise[:, 0] if profile_is_right else truth])
    profile = rng.normal(0, 0.1, (len(day), 6))
    profile[:, 0] = truth if profile_is_right else rng.normal(1, 0.5, len(day))
    no_slow = np.zeros(7, dtype=np.bool_)
    assert choose_share(inputs, profile, truth, day, slot, no_slow, Penalty(1.0, 1.0)) == share


def test_a_level_that_wanders_is_followed_better_with_the_profile() -> None:
    frame = wandering(84)
    cut = np.datetime64("2024-03-11")
    past, ahead = frame.where(frame.target_time < cut), frame.where(frame.target_time >= cut)
    recipe = PerHourRidge().search(past, Budget(60), lambda _: None)
    assert recipe.profile_shares is not None
    assert recipe.profile_shares[0] == SHARE
    error = np.abs(recipe.fit(past).predict(ahead.X) - ahead.y_kw).mean()
    recipe.profile_shares = None
    assert error < 0.95 * np.abs(recipe.fit(past).predict(ahead.X) - ahead.y_kw).mean()


def test_a_missing_profile_still_gives_a_forecast() -> None:
    frame = wandering(70)
    model = PerHourRidge().search(frame, Budget(60), lambda _: None).fit(frame)
    X = frame.X[-24:].copy()
    X[:, [frame.schema.index(name) for name in PROFILE_COLUMNS]] = np.nan
    assert np.isfinite(model.predict(X)).all()


def test_a_long_history_is_left_to_the_ridge_of_each_slot() -> None:
    frame = wandering(200)
    recipe = PerHourRidge().search(frame, Budget(60), lambda _: None)
    assert recipe.profile_shares is not None
    assert not recipe.profile_shares.any()
    used = {frame.schema.names[column] for column in recipe.fit(frame).columns}
    assert not used & set(PROFILE_COLUMNS)
