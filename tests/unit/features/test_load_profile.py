"""The profile knows the week and the last days, and nothing of the day it is for."""

from __future__ import annotations

import numpy as np

from smartgrid.features.load_profile import REACH_DAYS, load_profile

DAYS, SLOTS = 100, 24


def week_of_loads() -> np.ndarray:
    """Loads (days, slots) that repeat every week."""
    return np.tile(np.random.default_rng(1).uniform(50, 150, (7, SLOTS)), (DAYS // 7 + 1, 1))[:DAYS]


def test_a_load_that_repeats_every_week_is_its_own_profile() -> None:
    loads = week_of_loads()
    np.testing.assert_allclose(load_profile(loads, 7, DAYS - 1), loads[7:])


def test_a_new_level_is_in_the_profile_after_a_week() -> None:
    loads = week_of_loads()
    loads[-10:] += 40.0
    np.testing.assert_allclose(load_profile(loads, DAYS - 1, DAYS - 1)[0], loads[-1], atol=25.0)
    assert np.abs(load_profile(loads, DAYS - 10, DAYS - 10)[0] - loads[-10]).min() > 39.0


def test_the_day_itself_and_all_later_ones_do_not_matter() -> None:
    loads = week_of_loads() + np.random.default_rng(2).normal(0, 5, (DAYS, SLOTS))
    before = load_profile(loads, 30, 60)
    for day in (30, 45, 60):
        moved = loads.copy()
        moved[day:] = 1e6
        np.testing.assert_array_equal(load_profile(moved, 30, 60)[: day - 29], before[: day - 29])


def test_it_is_the_same_for_one_day_as_among_many() -> None:
    loads = np.concatenate([week_of_loads(), week_of_loads()]) + np.random.default_rng(3).normal(
        0, 5, (2 * DAYS, SLOTS)
    )
    many = load_profile(loads, 0, len(loads) - 1)
    for day in (12, REACH_DAYS + 5, len(loads) - 1):
        np.testing.assert_allclose(load_profile(loads, day, day)[0], many[day])


def test_the_first_weeks_have_the_day_a_week_before_and_then_nothing() -> None:
    loads = week_of_loads()
    profile = load_profile(loads, 0, 8)
    assert np.isnan(profile[:7]).all()
    np.testing.assert_allclose(profile[7:], loads[:2])
