"""Point-forecast metrics in the field's usual definitions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """`mape_percent`, `mase` (scaled by the in-sample weekly naive), `rmse_kw`, `bias_kw` (forecast minus actual).

    A metric is None where it is not defined: MAPE without a load above zero, MASE without a scale.
    """

    mape_percent: float | None
    mase: float | None
    rmse_kw: float | None
    bias_kw: float | None
    rows: int

    def as_dict(self) -> dict[str, float | int | None]:
        return asdict(self)


def score(actual_kw: Floats, predicted_kw: Floats, naive_scale_kw: float | None) -> Scores:
    """Score predictions (n,) against what was measured (n,); pairs with a missing side are left out.

    MASE: Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
    22(4), 2006, with the weekly naive as its scale.

    >>> score(np.array([100.0, 200.0]), np.array([110.0, 190.0]), 20.0).mape_percent
    7.5
    """
    both = np.isfinite(actual_kw) & np.isfinite(predicted_kw)
    actual, predicted = actual_kw[both], predicted_kw[both]
    if not len(actual):
        return Scores(None, None, None, None, 0)
    error = predicted - actual
    positive = actual > 0
    mape = float(np.mean(np.abs(error[positive]) / actual[positive]) * 100) if positive.any() else None
    mase = float(np.mean(np.abs(error)) / naive_scale_kw) if naive_scale_kw else None
    return Scores(mape, mase, float(np.sqrt(np.mean(error**2))), float(np.mean(error)), len(actual))
