"""The regression on the seasonal profile: how much of yesterday's deviation goes on."""

from __future__ import annotations

import numpy as np

from smartgrid.automl.profile_ridge import fit_profile

DAYS, SLOTS = 60, 24


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
