"""The penalty is chosen on what the history itself shows, in time order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from smartgrid.automl.penalty_search import ALPHAS, CAUTIOUS, choose_penalty, folds

DAYS = 300


def rows(days: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (days, 30), the day of each row and its slot."""
    inputs = np.random.default_rng(seed).normal(0, 1, (days, 30))
    return inputs, np.arange(days), np.zeros(days, dtype=np.int64)


@pytest.mark.parametrize("days", [40, 84, 200, 1100])
def test_folds_are_in_time_order_and_end_with_the_history(days: int) -> None:
    found = folds(np.arange(days))
    assert found[-1][1] == days
    assert all(start < end for start, end in found)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(found))
    assert found[0][0] >= days - max(365, days // 3) - 1


def test_noise_gets_a_large_penalty_and_a_clear_signal_a_small_one() -> None:
    inputs, day, slot = rows(DAYS)
    rng = np.random.default_rng(1)
    signal = inputs @ rng.normal(0, 1, 30)
    no_slow = np.zeros(30, dtype=np.bool_)
    assert choose_penalty(inputs, signal, day, slot, no_slow, 1).alpha == ALPHAS[0]
    assert choose_penalty(inputs, rng.normal(0, 1, DAYS), day, slot, no_slow, 1).alpha == ALPHAS[-1]


def test_a_season_of_which_history_shows_a_part_is_left_out() -> None:
    inputs, day, slot = rows(100)
    rng = np.random.default_rng(2)
    # Waves that pass through what weeks of weather did to the load, and go anywhere after it.
    slow = np.arange(30) < 6
    inputs[:, :6] = (day[:, None] / 100) ** np.arange(1, 7)
    weather = np.convolve(rng.normal(0, 1, 119), np.ones(20) / 20, mode="valid")
    ratio = weather + 0.3 * inputs[:, 10] + rng.normal(0, 0.01, 100)
    assert choose_penalty(inputs, ratio, day, slot, slow, 1).slow_factor > 1


def test_a_trend_that_goes_on_is_kept() -> None:
    inputs, day, slot = rows(DAYS)
    inputs[:, 0] = day / 365
    slow = np.arange(30) == 0
    assert choose_penalty(inputs, 3 * inputs[:, 0] + 0.3 * inputs[:, 1], day, slot, slow, 1).slow_factor == 1


def test_too_little_history_to_try_gets_the_cautious_penalty() -> None:
    inputs, day, slot = rows(20)
    assert choose_penalty(inputs, inputs[:, 0], day, slot, np.zeros(30, dtype=np.bool_), 1) == CAUTIOUS
