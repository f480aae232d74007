"""Half of the forecast for a short history: its seasonal profile, and how much of yesterday's deviation goes on.

A ridge of 90 columns for each slot has too little to learn from in some weeks of data. This one has five columns,
nearly the same weights in all slots, and is only asked for the difference to the profile. The mean of both is a table
of coefficients like each of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.penalty_search import MIN_TRAIN_DAYS, Penalty, folds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHORT_HISTORY_DAYS = 180  # with more, the ridge of each slot is the better model
SHARE = 0.5
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


def choose_share(
    inputs: Floats,
    profile: Floats,
    ratio: Floats,
    day: Ints,
    slot: Ints,
    is_slow: npt.NDArray[np.bool_],
    penalty: Penalty,
) -> float:
    """Share of the profile in the forecast of a zone: none, or a half where that has the smaller mean absolute error
    on the folds of the penalty search. A half where the history is too short to try, none where it is long.

    Args:
        inputs, ratio, day, slot: rows (n, k), (n,), (n,), (n,) of one zone, nothing missing.
        profile: (n, p) of schema.PROFILE_COLUMNS; may have gaps.
        penalty: the one chosen for the ridge of each slot.
    """
    if day.max() - day.min() >= SHORT_HISTORY_DAYS:
        return 0.0
    alone = blended = 0.0
    for start, end in folds(day):
        past, test = day < start, (day >= start) & (day < end) & np.isfinite(profile).all(axis=1)
        fitted = fit_profile(profile[past], ratio[past], slot[past], int(slot.max()) + 1)
        if fitted is None:
            continue
        weights, intercepts = fitted
        other = np.einsum("ij,ij->i", profile, weights[slot]) + intercepts[slot]
        for one in np.unique(slot[test]):
            own, judged = past & (slot == one), test & (slot == one)
            if own.sum() < MIN_TRAIN_DAYS:
                continue
            slopes, intercept = _ridge(inputs[own], ratio[own], penalty.of(is_slow))
            ridge = inputs[judged] @ slopes + intercept
            alone += float(np.abs(ridge - ratio[judged]).sum())
            mixed = (1 - SHARE) * ridge + SHARE * other[judged]
            blended += float(np.abs(mixed - ratio[judged]).sum())
    return SHARE if blended <= alone else 0.0


def _ridge(inputs: Floats, target: Floats, penalty: float | Floats) -> tuple[Floats, float]:
    sums = CrossProducts.empty(1, inputs.shape[1])
    sums.add(0, inputs, target)
    return solve(sums, 0, penalty)
