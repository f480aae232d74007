"""Four forecasts from the same columns, and how much of each one zone gets.

Each errs in its own way, so their weighted mean is steadier than the best of them; and since all of them are linear in
the columns of a slot, their mean is one table of coefficients again.

- plain: the ridge of each slot.
- anchored: the same ridge drawn towards the seasonal profile, where the plain one is drawn towards a constant.
- profile: the profile, and how much of yesterday's deviation from it goes on (`profile_ridge`).
- goes_on: the profile, with the last deviation going on in full: what a seasonal decomposition with exponential
  smoothing of the rest forecasts (compare Bandara, Hyndman and Bergmeir, "MSTL", 2021).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.penalty_search import MIN_TRAIN_DAYS, Penalty, folds, sampled_slots
from smartgrid.automl.profile_ridge import fit_profile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MEMBERS = ("plain", "anchored", "profile", "goes_on")
PLAIN_ONLY = np.array([1.0, 0.0, 0.0, 0.0])
# Where the history is too short to try. The ridge drawn towards the profile needs more days than the others.
UNTRIED = np.array([0.25, 0.0, 0.5, 0.25])
# Half of the shares, too, where the folds are few and no temperature explains the load: which member was the best in
# three or four weeks says little about the next two.
FEW_DAYS = 120
SHARE_FOLDS = 10
# Every split in quarters is tried, and the mean of those that are as good as the best is taken: between them chance
# decides, and the mean keeps more members.
SPLITS = np.array([split for split in itertools.product(range(5), repeat=len(MEMBERS)) if sum(split) == 4]) / 4
AS_GOOD = 1.02


@dataclass(frozen=True, slots=True)
class ZoneRows:
    """Rows of one zone. `inputs` (n, k) hold the columns of the plain ridge, then those of the profile, nothing
    missing; `profile` (n, p) are the latter as they are, perhaps with gaps. `ratio`, `day`, `slot` (n,); `is_slow` (k,)
    marks the columns that move with the season or the years."""

    inputs: Floats
    profile: Floats
    ratio: Floats
    day: Ints
    slot: Ints
    is_slow: npt.NDArray[np.bool_]
    has_temperature: bool = False

    @property
    def n_plain(self) -> int:
        """Columns of the plain ridge; also the place of the profile itself among the inputs."""
        return int(self.inputs.shape[1] - self.profile.shape[1])


def goes_on(profile_columns: int) -> Floats:
    """Weights of the profile columns (p,) that let the last deviation go on in full."""
    weights = np.zeros(profile_columns)
    weights[:2] = 1.0
    return weights


def choose_shares(rows: ZoneRows, plain: Penalty, anchored: Penalty, max_slots: int) -> Floats:
    """Shares (4,) of the members, by their mean absolute error on up to ten folds of the newest third of the history,
    each fitted on what came before. Below 120 days without temperature they are only half of what is returned, the
    other half is `UNTRIED`.

    Args:
        plain, anchored: the penalties chosen for the two ridges.
        max_slots: slots of the day to try.
    """
    windows = folds(rows.day, SHARE_FOLDS)
    n_slots = int(rows.slot.max()) + 1
    known = np.isfinite(rows.profile).all(axis=1)
    profiles = [_profile_forecast(rows, rows.day < start, n_slots) for start, _ in windows]
    parts: list[Floats] = []
    loads: list[Floats] = []
    for one in sampled_slots(rows.slot, max_slots):
        own = np.flatnonzero((rows.slot == one) & known)
        if not len(own):
            continue
        inputs, ratio, day = rows.inputs[own], rows.ratio[own], rows.day[own]
        sums, done = CrossProducts.empty(1, inputs.shape[1]), int(day.min())
        for (start, end), profile in zip(windows, profiles, strict=True):
            new, test = (day >= done) & (day < start), (day >= start) & (day < end)
            sums.add(0, inputs[new], ratio[new])
            done = max(done, start)
            if profile is None or sums.count[0] < MIN_TRAIN_DAYS or not test.any():
                continue
            ridges = _ridge_forecasts(sums, rows, inputs[test], plain, anchored)
            following = rows.profile[own[test]] @ goes_on(rows.profile.shape[1])
            parts.append(np.column_stack([*ridges, profile[own[test]], following]))
            loads.append(ratio[test])
    if not parts:
        return UNTRIED.copy()
    forecasts, measured = np.concatenate(parts), np.concatenate(loads)
    error = np.array([np.abs(forecasts @ split - measured).mean() for split in SPLITS])
    shares: Floats = SPLITS[error <= error.min() * AS_GOOD].mean(axis=0)
    if not rows.has_temperature and rows.day.max() - rows.day.min() < FEW_DAYS:
        shares = (shares + UNTRIED) / 2
    return shares


def _profile_forecast(rows: ZoneRows, past: npt.NDArray[np.bool_], n_slots: int) -> Floats | None:
    fitted = fit_profile(rows.profile[past], rows.ratio[past], rows.slot[past], n_slots)
    if fitted is None:
        return None
    weights, intercepts = fitted
    forecast: Floats = np.einsum("ij,ij->i", rows.profile, weights[rows.slot]) + intercepts[rows.slot]
    return forecast


def _ridge_forecasts(
    sums: CrossProducts, rows: ZoneRows, inputs: Floats, plain: Penalty, anchored: Penalty
) -> tuple[Floats, Floats]:
    n_plain = rows.n_plain
    weights, intercept = solve(sums.first(n_plain), 0, plain.of(rows.is_slow[:n_plain]))
    alone = inputs[:, :n_plain] @ weights + intercept
    weights, intercept = solve(sums.less(n_plain), 0, anchored.of(rows.is_slow))
    return alone, inputs @ weights + intercept + inputs[:, n_plain]
