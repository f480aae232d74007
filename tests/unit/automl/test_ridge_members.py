"""Every zone gets the mixture of ridge and profile that its own history shows to be the best."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.penalty_search import Penalty
from smartgrid.automl.per_hour_ridge import PerHourRidge
from smartgrid.automl.ridge_members import MEMBERS, PLAIN_ONLY, UNTRIED, ZoneRows, choose_shares, goes_on
from smartgrid.automl.trainer import Budget
from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import PROFILE_COLUMNS
from smartgrid.lake.measurements import WEATHER_SCHEMA

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, SLOTS = 90, 24


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


def zone_rows(truth: str) -> tuple[ZoneRows, Penalty]:
    """Loads that one member alone can forecast."""
    rng = np.random.default_rng(2)
    day, slot = np.repeat(np.arange(DAYS), SLOTS), np.tile(np.arange(SLOTS), DAYS)
    plain, profile = rng.normal(1, 0.2, (len(day), 5)), rng.normal(0, 0.2, (len(day), 6))
    profile[:, 0] += 1
    ratio = {
        "plain": plain @ np.array([1.0, -2.0, 0.5, 0.0, 1.0]),
        "profile": profile @ np.array([1.0, 0.3, 0.2, 0.0, 0.0, 0.4]),
        "goes_on": profile @ np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0]) + rng.normal(0, 0.01, len(day)),
    }[truth]
    no_slow = np.zeros(11, dtype=np.bool_)
    return ZoneRows(np.hstack([plain, profile]), profile, ratio, day, slot, no_slow, True), Penalty(10.0, 1.0)


@pytest.mark.parametrize("truth", ["plain", "profile", "goes_on"])
def test_the_member_that_is_right_gets_most(truth: str) -> None:
    rows, _ = zone_rows(truth)
    # With this penalty the anchored ridge hardly moves away from the profile.
    shares = choose_shares(rows, Penalty(1.0, 1.0), Penalty(1e6, 1.0), max_slots=6)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares >= 0).all()
    assert MEMBERS[int(np.argmax(shares))] == truth
    assert shares.max() > 0.6


def test_members_that_are_equally_good_share() -> None:
    rows, _ = zone_rows("profile")
    # Noise alone lies between the profile and the load: with large penalties both stay at the profile.
    rows.ratio[:] = rows.profile[:, 0] + np.random.default_rng(3).normal(0, 0.05, len(rows.ratio))
    shares = choose_shares(rows, Penalty(1.0, 1.0), Penalty(1e6, 1.0), max_slots=6)
    assert shares[[0, 3]].sum() < 0.2, "the plain ridge does not see the profile, and no deviation goes on"
    assert (shares[1:3] > 0.1).all()


def test_with_few_days_and_no_temperature_the_trial_decides_half_of_the_shares() -> None:
    rows, penalty = zone_rows("plain")
    tried = choose_shares(rows, penalty, penalty, max_slots=6)
    halved = choose_shares(replace(rows, has_temperature=False), penalty, penalty, max_slots=6)
    np.testing.assert_allclose(halved, (tried + UNTRIED) / 2)


def test_days_too_few_to_try_get_fixed_shares() -> None:
    rows, penalty = zone_rows("plain")
    few = rows.day < 25
    short = ZoneRows(rows.inputs[few], rows.profile[few], rows.ratio[few], rows.day[few], rows.slot[few], rows.is_slow)
    np.testing.assert_array_equal(choose_shares(short, penalty, penalty, max_slots=6), UNTRIED)


def test_a_ridge_on_the_rest_is_drawn_towards_the_column_that_was_taken_out() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.normal(0, 1, (200, 3))
    target = inputs @ np.array([0.5, 0.0, 0.8]) + 3.0
    sums = CrossProducts.empty(1, 3)
    sums.add(0, inputs, target)
    weights, intercept = solve(sums.less(2), 0, 1e-9)
    np.testing.assert_allclose(weights + np.array([0, 0, 1]), [0.5, 0.0, 0.8], atol=1e-6)
    assert intercept == pytest.approx(3.0, abs=1e-6)
    weights, _ = solve(sums.less(2), 0, 1e9)
    np.testing.assert_allclose(weights + np.array([0, 0, 1]), [0.0, 0.0, 1.0], atol=1e-4)
    alone, _ = solve(sums.first(2), 0, 1e-9)
    assert alone.shape == (2,)


def test_a_level_that_wanders_is_followed_better_than_by_the_plain_ridge() -> None:
    frame = wandering(84)
    cut = np.datetime64("2024-03-11")
    past, ahead = frame.where(frame.target_time < cut), frame.where(frame.target_time >= cut)
    recipe = PerHourRidge().search(past, Budget(60), lambda _: None)
    assert recipe.shares is not None
    assert recipe.shares[0, 2:].sum() > 0.4
    error = np.abs(recipe.fit(past).predict(ahead.X) - ahead.y_kw).mean()
    recipe.shares = None
    assert error < 0.9 * np.abs(recipe.fit(past).predict(ahead.X) - ahead.y_kw).mean()


@pytest.mark.parametrize("member", range(len(MEMBERS)))
def test_the_table_of_a_mixture_is_the_mean_of_its_members(member: int) -> None:
    frame = wandering(70)
    recipe = PerHourRidge().search(frame, Budget(60), lambda _: None)
    mixture = np.full(len(MEMBERS), 0.2)
    mixture[member] = 0.4
    parts = []
    for one in np.eye(len(MEMBERS)):
        recipe.shares = np.tile(one, (2, 1))
        parts.append(recipe.fit(frame).predict(frame.X[-48:]))
    recipe.shares = np.tile(mixture, (2, 1))
    np.testing.assert_allclose(recipe.fit(frame).predict(frame.X[-48:]), mixture @ np.array(parts), rtol=1e-9)


def test_the_last_deviation_goes_on_in_full() -> None:
    frame = wandering(70)
    recipe = PerHourRidge().search(frame, Budget(60), lambda _: None)
    recipe.shares = np.tile([0.0, 0.0, 0.0, 1.0], (2, 1))
    level = frame.column("level_kw")
    expected = level * (frame.column("profile") + frame.column("last_load_against_profile"))
    np.testing.assert_allclose(recipe.fit(frame).predict(frame.X)[-48:], expected[-48:])
    assert list(PROFILE_COLUMNS[:2]) == ["profile", "last_load_against_profile"]
    np.testing.assert_array_equal(goes_on(len(PROFILE_COLUMNS)), [1, 1, 0, 0, 0, 0])


def test_a_missing_profile_still_gives_a_forecast() -> None:
    frame = wandering(70)
    model = PerHourRidge().search(frame, Budget(60), lambda _: None).fit(frame)
    X = frame.X[-24:].copy()
    X[:, [frame.schema.index(name) for name in PROFILE_COLUMNS]] = np.nan
    assert np.isfinite(model.predict(X)).all()


def test_where_only_the_plain_ridge_takes_part_the_profile_is_no_input() -> None:
    frame = wandering(70)
    recipe = PerHourRidge().search(frame, Budget(60), lambda _: None)
    recipe.shares = np.tile(PLAIN_ONLY, (2, 1))
    used = {frame.schema.names[column] for column in recipe.fit(frame).columns}
    assert not used & set(PROFILE_COLUMNS)
