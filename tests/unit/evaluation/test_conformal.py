"""Quantiles from residuals: calibrated by slot, measured on other rows."""

from __future__ import annotations

import numpy as np
import pytest

from smartgrid.evaluation.conformal import QUANTILES, calibrate, conformal_quantiles, measured, pinball_loss

SLOTS = 24


def rows(seed: int, n: int, spread: np.ndarray) -> tuple[np.ndarray, ...]:
    """Loads of 1,000 kW around a perfect mean; the spread relative to the level depends on the slot."""
    rng = np.random.default_rng(seed)
    slot = rng.integers(0, SLOTS, n)
    predicted = np.full(n, 1000.0)
    level = np.full(n, 500.0)
    return predicted + level * rng.normal(0, spread[slot]), predicted, level, slot


def test_coverage_on_new_rows_is_close_to_what_was_asked_for_in_every_slot() -> None:
    spread = np.linspace(0.01, 0.2, SLOTS)
    found = calibrate(*rows(1, 20_000, spread), SLOTS)
    assert found is not None
    actual, predicted, level, slot = rows(2, 50_000, spread)
    bands = found.forecast(predicted, level, slot)
    for hour in range(SLOTS):
        worth = measured(actual[slot == hour], bands[slot == hour])
        assert worth is not None
        assert worth["coverage_percent"] == pytest.approx(80, abs=6)  # 800 residuals a slot
    worth = measured(actual, bands)
    assert worth is not None
    assert worth["below_percent"]["0.1"] == pytest.approx(10, abs=1)
    assert worth["below_percent"]["0.9"] == pytest.approx(90, abs=1)


def test_the_outer_quantiles_are_conservative_for_few_residuals() -> None:
    """The chance that one more residual of the same kind stays inside is at least 80 %, however few there were."""
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(4000):
        low, _, high = conformal_quantiles(rng.normal(size=25))
        inside.append(low <= rng.normal() <= high)
    assert np.mean(inside) >= 0.80


def test_quantiles_never_cross_and_respect_the_floor() -> None:
    spread = np.full(SLOTS, 3.0)
    found = calibrate(*rows(1, 5000, spread), SLOTS)
    assert found is not None
    _, predicted, level, slot = rows(2, 100, spread)
    bands = found.forecast(predicted, level, slot)
    assert np.all(np.diff(bands, axis=1) >= 0)
    assert bands.min() == 0.0
    assert found.forecast(predicted, level, slot, floor_kw=-np.inf).min() < 0


def test_a_slot_with_few_residuals_takes_those_of_all_slots() -> None:
    actual, predicted, level, slot = rows(1, 5000, np.full(SLOTS, 0.1))
    keep = (slot != 3) | (np.cumsum(slot == 3) <= 5)
    found = calibrate(actual[keep], predicted[keep], level[keep], slot[keep], SLOTS)
    assert found is not None
    everywhere = conformal_quantiles((actual[keep] - predicted[keep]) / level[keep])
    np.testing.assert_allclose(found.values[3], everywhere)


def test_too_few_residuals_give_no_quantiles_at_all() -> None:
    assert calibrate(*rows(1, 19, np.full(SLOTS, 0.1)), SLOTS) is None
    actual, predicted, level, slot = rows(1, 500, np.full(SLOTS, 0.1))
    assert calibrate(actual * np.nan, predicted, level, slot, SLOTS) is None
    assert calibrate(actual, predicted, level * 0, slot, SLOTS) is None


def test_pinball_loss_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import mean_pinball_loss

    rng = np.random.default_rng(1)
    actual, predicted = rng.normal(100, 10, 500), rng.normal(100, 10, 500)
    for quantile in QUANTILES:
        assert pinball_loss(actual, predicted, quantile) == pytest.approx(
            mean_pinball_loss(actual, predicted, alpha=quantile)
        )


def test_nothing_measured_is_worth_nothing() -> None:
    assert measured(np.full(5, np.nan), np.ones((5, 3))) is None
