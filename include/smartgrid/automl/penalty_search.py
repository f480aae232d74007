"""How strongly to penalise the regressions of one zone: tried on the newest parts of its own history, in time order.

Generalised cross-validation, which needs no second fit, chose far too weak penalties here: the residuals of consecutive
days are alike, and of 80 days with 80 columns little is left. So each choice is tried as it will be used: fitted on
what came before a fold, judged on the fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, solve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# Columns that move with the season or the years are kept, or as good as left out: within months of history a yearly
# wave is a trend that goes on for ever.
SLOW_FACTORS = (1.0, 1e6)
FOLDS, FOLD_DAYS = 5, (5, 10)
MIN_TRAIN_DAYS = 21


@dataclass(frozen=True, slots=True)
class Penalty:
    """`alpha` of every standardised column; that of the slow ones is multiplied by `slow_factor`."""

    alpha: float
    slow_factor: float

    def of(self, is_slow: npt.NDArray[np.bool_]) -> Floats:
        """Penalty of each column (k,)."""
        penalties: Floats = np.where(is_slow, self.alpha * self.slow_factor, self.alpha)
        return penalties


# Where the history is too short to try: what served the shortest histories best.
CAUTIOUS = Penalty(alpha=10.0, slow_factor=SLOW_FACTORS[-1])


def folds(days: Ints, most: int = FOLDS) -> list[tuple[int, int]]:
    """At most `most` folds in time order (first day, day after the last) over the newest third of `days`, at most a
    year: earlier ones would be judged with much less data than there are now, and ask for stronger penalties.

    >>> folds(np.arange(84))
    [(56, 63), (63, 70), (70, 77), (77, 84)]
    """
    first, end = int(days.min()), int(days.max()) + 1
    length = int(np.clip((end - first) // 12, *FOLD_DAYS))
    reach = min(365, (end - first) // 3)
    count = min(most, reach // length)
    if count < 2:
        return []
    starts = np.linspace(end - reach, end - length, count).round()
    return [(int(start), int(start) + length) for start in starts]


def sampled_slots(slot: Ints, at_most: int) -> Ints:
    """At most `at_most` of the slots that occur, evenly over the day."""
    present = np.unique(slot)
    sampled: Ints = present[np.unique(np.linspace(0, len(present) - 1, min(at_most, len(present))).round().astype(int))]
    return sampled


def choose_penalty(
    inputs: Floats, ratio: Floats, day: Ints, slot: Ints, is_slow: npt.NDArray[np.bool_], max_slots: int
) -> Penalty:
    """The penalty with the smallest mean absolute error over all folds.

    Args:
        inputs, ratio, day, slot: rows (n, k), (n,), (n,), (n,) of one zone; nothing missing.
        is_slow: columns (k,) that move with the season or the years.
        max_slots: slots of the day to try; all regressions of a zone share what is found.
    """
    options = [Penalty(alpha, factor) for factor in SLOW_FACTORS for alpha in ALPHAS]
    error, judged = np.zeros(len(options)), 0
    windows = folds(day)
    for one in sampled_slots(slot, max_slots):
        own = slot == one
        X, y, when = inputs[own], ratio[own], day[own]
        sums, done = CrossProducts.empty(1, inputs.shape[1]), int(when.min())
        for start, end in windows:
            new, test = (when >= done) & (when < start), (when >= start) & (when < end)
            sums.add(0, X[new], y[new])
            done = max(done, start)
            if sums.count[0] < MIN_TRAIN_DAYS or not test.any():
                continue
            for index, option in enumerate(options):
                weights, intercept = solve(sums, 0, option.of(is_slow))
                error[index] += np.abs(X[test] @ weights + intercept - y[test]).sum()
            judged += int(test.sum())
    return options[int(np.argmin(error))] if judged else CAUTIOUS
