"""How much each feature matters to the winner: the error that shuffling its column adds.

Breiman, "Random Forests", Machine Learning 45, 2001 (permutation importance).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from smartgrid.features.frame import FeatureFrame

ROWS = 400
COLUMNS_AT_ONCE = 16  # one call of the model for several columns: libraries have a price per call


class _Model(Protocol):
    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...


def permutation_importance(model: _Model, frame: FeatureFrame, seed: int, rows: int = ROWS) -> list[tuple[str, float]]:
    """Features with the percentage points of load that shuffling each adds to the mean absolute error, largest first.

    At most `rows` rows of `frame` with a known load are used. Columns that do not vary there are left out: nothing
    can be said of them.
    """
    usable = frame.trainable()
    if not len(usable):
        return []
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(len(usable), min(rows, len(usable)), replace=False))
    X, actual_kw = usable.X[chosen], usable.y_kw[chosen]
    base = _error_percent(model.predict(X), actual_kw)
    order = generator.permutation(len(X))
    varying = [index for index in range(X.shape[1]) if _varies(X[:, index])]
    found: list[tuple[str, float]] = []
    for first in range(0, len(varying), COLUMNS_AT_ONCE):
        columns = varying[first : first + COLUMNS_AT_ONCE]
        shuffled = np.tile(X, (len(columns), 1))
        for place, column in enumerate(columns):
            shuffled[place * len(X) : (place + 1) * len(X), column] = X[order, column]
        predicted = model.predict(shuffled).reshape(len(columns), len(X))
        found += [
            (frame.schema.names[column], _error_percent(of_one, actual_kw) - base)
            for column, of_one in zip(columns, predicted, strict=True)
        ]
    return sorted(found, key=lambda item: -item[1])


def _varies(column: npt.NDArray[np.float64]) -> bool:
    known = column[np.isfinite(column)]
    return len(known) > 0 and bool((known != known[0]).any())


def _error_percent(predicted_kw: npt.NDArray[np.float64], actual_kw: npt.NDArray[np.float64]) -> float:
    """Sum of absolute errors in percent of the sum of the load."""
    both = np.isfinite(predicted_kw)
    return float(np.abs(predicted_kw[both] - actual_kw[both]).sum() / np.abs(actual_kw[both]).sum() * 100)
