"""The seasonal profile, and how much of yesterday's deviation from it goes on.

A ridge of 90 columns for each slot has little to learn from in some weeks of data. This regression has five columns,
nearly the same weights in all slots, and is only asked for the difference to the profile.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.penalty_search import MIN_TRAIN_DAYS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SLOPE_PENALTY, SLOT_PENALTY = 1.0, 10.0  # of the weights of all slots, and of what a slot has of its own


def fit_profile(profile: Floats, ratio: Floats, slot: Ints, n_slots: int) -> tuple[Floats, Floats] | None:
    """Weights (n_slots, p) and intercepts (n_slots,) in the units of the columns; None where too little is known.

    Args:
        profile: columns (n, p) of schema.PROFILE_COLUMNS, the profile itself first; rows with gaps are not used.
        ratio, slot: (n,) load divided by level, and slot of the day.
    """
    known = np.isfinite(profile).all(axis=1) & np.isfinite(ratio)
    if known.sum() < MIN_TRAIN_DAYS * len(np.unique(slot)):
        return None
    slot, inputs, target = slot[known], profile[known, 1:], ratio[known] - profile[known, 0]
    count = np.maximum(np.bincount(slot, minlength=n_slots), 1)
    target_mean = np.bincount(slot, target, n_slots) / count
    means = np.column_stack([np.bincount(slot, column, n_slots) / count for column in inputs.T])
    inputs, target = inputs - means[slot], target - target_mean[slot]
    shared, _ = _ridge(inputs, target, SLOPE_PENALTY)
    rest = target - inputs @ shared
    weights = np.ones((n_slots, profile.shape[1]))
    for one in range(n_slots):
        own = slot == one
        weights[one, 1:] = shared
        if own.any():
            weights[one, 1:] += _ridge(inputs[own], rest[own], SLOT_PENALTY)[0]
    intercepts: Floats = target_mean - np.einsum("ij,ij->i", means, weights[:, 1:])
    return weights, intercepts


def _ridge(inputs: Floats, target: Floats, penalty: float | Floats) -> tuple[Floats, float]:
    sums = CrossProducts.empty(1, inputs.shape[1])
    sums.add(0, inputs, target)
    return solve(sums, 0, penalty)
