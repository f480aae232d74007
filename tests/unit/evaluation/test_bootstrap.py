"""A difference counts only where resampled days agree on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from smartgrid.evaluation.bootstrap import _circular_blocks, compare

START = datetime(2024, 1, 1, tzinfo=UTC)


def table(errors: np.ndarray, *, actual: float = 100.0, zone: str = "A") -> pl.DataFrame:
    """A backtest with the errors in kW of (days, hours), on a load of `actual`."""
    days, hours = errors.shape
    issue = [START + timedelta(days=day) for day in range(days) for _ in range(hours)]
    target = [START + timedelta(days=day, hours=hour) for day in range(days) for hour in range(hours)]
    return pl.DataFrame(
        {
            "zone": [zone] * (days * hours),
            "target_time": target,
            "issue_time": issue,
            "actual_kw": np.full(days * hours, actual),
            "predicted_kw": actual + errors.ravel(),
        }
    ).with_columns(pl.col("target_time", "issue_time").cast(pl.Datetime("us", "UTC")))


def noise(days: int, scale: float, seed: int) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(0, scale, (days, 24)))


def test_a_clearly_smaller_error_is_better_and_the_mirror_image_is_worse() -> None:
    good, bad = table(noise(56, 2.0, 1)), table(noise(56, 4.0, 2))
    found = compare(good, bad, seed=1)
    assert found.outcome == "better"
    assert (found.days, found.rows, found.metric) == (56, 56 * 24, "mape_percent")
    mirrored = compare(bad, good, seed=1)
    assert mirrored.outcome == "worse"
    assert mirrored.difference == pytest.approx(-found.difference)


def test_luck_on_a_few_days_is_no_difference() -> None:
    assert compare(table(noise(56, 3.0, 1)), table(noise(56, 3.0, 2)), seed=1).outcome == "equal"


def test_the_same_forecast_is_equal_to_itself_with_no_spread() -> None:
    same = table(noise(20, 3.0, 1))
    found = compare(same, same, seed=1)
    assert (found.outcome, found.difference, found.low, found.high) == ("equal", 0.0, 0.0, 0.0)


def test_the_errors_are_those_of_an_independent_computation() -> None:
    mine, theirs = noise(30, 2.0, 3), noise(30, 2.5, 4)
    found = compare(table(mine, actual=50.0), table(theirs, actual=50.0), seed=1)
    assert found.challenger == pytest.approx(np.mean(mine / 50.0) * 100)
    assert found.other == pytest.approx(np.mean(theirs / 50.0) * 100)


def test_the_interval_agrees_with_a_bootstrap_of_single_days_by_scipy() -> None:
    from scipy.stats import bootstrap

    mine, theirs = noise(200, 2.0, 5), noise(200, 2.1, 6)
    found = compare(table(mine), table(theirs), seed=1, block_days=1)
    daily = (mine - theirs).mean(axis=1)
    expected = bootstrap((daily,), np.mean, n_resamples=10_000, method="percentile", rng=2).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.01)


def test_errors_that_come_in_spells_widen_the_interval() -> None:
    spells = np.repeat(np.random.default_rng(1).normal(0, 1, 14), 4)[:, None] + np.zeros((56, 24))
    mine, level = table(np.abs(spells + 3)), table(np.full((56, 24), 3.0))
    single, blocks = (compare(mine, level, seed=1, block_days=days) for days in (1, 4))
    assert single.high is not None
    assert single.low is not None
    assert blocks.high is not None
    assert blocks.low is not None
    assert blocks.high - blocks.low > 1.3 * (single.high - single.low)


def test_only_rows_that_both_forecast_count() -> None:
    mine, theirs = noise(20, 2.0, 1), noise(20, 2.0, 1)
    theirs[:10] = np.nan
    mine[:10] = 50.0
    found = compare(table(mine), table(theirs), seed=1)
    assert (found.days, found.difference) == (10, 0.0)


@pytest.mark.parametrize("days", [0, 1, 6])
def test_less_than_a_week_is_undecided(days: int) -> None:
    found = compare(table(noise(days, 1.0, 1)), table(noise(days, 9.0, 2)), seed=1)
    assert (found.outcome, found.low, found.days) == ("undecided", None, days)


def test_without_a_load_above_zero_the_error_is_in_kw() -> None:
    found = compare(table(noise(20, 1.0, 1), actual=0.0), table(noise(20, 5.0, 2), actual=0.0), seed=1)
    assert (found.metric, found.outcome) == ("mae_kw", "better")


def test_the_seed_decides_the_draw() -> None:
    mine, theirs = table(noise(30, 2.0, 1)), table(noise(30, 2.0, 2))
    assert compare(mine, theirs, seed=5) == compare(mine, theirs, seed=5)
    assert compare(mine, theirs, seed=5) != compare(mine, theirs, seed=6)


def test_blocks_hold_neighbouring_days_and_every_day_is_drawn_as_often() -> None:
    drawn = _circular_blocks(10, 3, 20_000, np.random.default_rng(1))
    assert drawn.shape == (20_000, 10)
    assert np.all((drawn[:, 1] - drawn[:, 0]) % 10 == 1)
    shares = np.bincount(drawn.ravel(), minlength=10) / drawn.size
    np.testing.assert_allclose(shares, 0.1, atol=0.005)
