"""Quantiles around a point forecast, from how wrong it was on the selection window.

Split-conformal prediction: the order statistics of the residuals on data that the model was not fitted on, with the
finite-sample correction of Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free predictive inference for
regression", Journal of the American Statistical Association 113(523), 2018. Residuals are divided by the level of the
zone, so that zones of any size calibrate together, and are taken by slot of the day, because afternoons are harder than
nights. Loads of neighbouring hours are not exchangeable, so coverage is measured and not guaranteed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

QUANTILES = (0.1, 0.5, 0.9)
# Below this many residuals the corrected order statistic of 0.1 and 0.9 lies outside of what was seen.
MIN_RESIDUALS = 20


@dataclass(frozen=True, slots=True)
class ResidualQuantiles:
    """`values` (slots, 3): quantiles 0.1, 0.5 and 0.9 of (actual - predicted) / level of each slot of the local day.

    The quantile forecast of a row is `predicted + level * values[slot]`, never below zero where loads never are.
    """

    values: Floats
    rows: int

    def forecast(self, predicted_kw: Floats, level_kw: Floats, slot: Ints, *, floor_kw: float = 0.0) -> Floats:
        """Quantile forecasts (n, 3) in kW."""
        around: Floats = predicted_kw[:, None] + level_kw[:, None] * self.values[slot]
        return np.maximum(around, floor_kw)


def calibrate(
    actual_kw: Floats, predicted_kw: Floats, level_kw: Floats, slot: Ints, slots_per_day: int
) -> ResidualQuantiles | None:
    """Residual quantiles by slot; a slot with few residuals takes those of all slots. None: too few altogether.

    Args:
        actual_kw, predicted_kw, level_kw: (n,) on rows that the model was not fitted on.
        slot: (n,) slot of the local day.
    """
    usable = np.isfinite(actual_kw) & np.isfinite(predicted_kw) & np.isfinite(level_kw) & (level_kw > 0)
    residual = (actual_kw[usable] - predicted_kw[usable]) / level_kw[usable]
    if len(residual) < MIN_RESIDUALS:
        return None
    own_slot = slot[usable]
    everywhere = conformal_quantiles(residual)
    by_slot = [residual[own_slot == number] for number in range(slots_per_day)]
    values = np.array([conformal_quantiles(part) if len(part) >= MIN_RESIDUALS else everywhere for part in by_slot])
    return ResidualQuantiles(values, len(residual))


def conformal_quantiles(residuals: Floats) -> Floats:
    """The three quantiles with the correction that makes the outer ones conservative for finitely many residuals.

    >>> conformal_quantiles(np.arange(1.0, 20.0)).tolist()
    [2.0, 10.0, 18.0]
    """
    ordered = np.sort(residuals)
    n = len(ordered)
    low = max(int(np.floor((n + 1) * QUANTILES[0])), 1)
    return np.array([ordered[low - 1], float(np.median(ordered)), ordered[n - low]])


def pinball_loss(actual: Floats, predicted_quantile: Floats, quantile: float) -> float:
    """Mean pinball loss in the unit of the data (Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978).

    >>> pinball_loss(np.array([10.0]), np.array([8.0]), 0.9), pinball_loss(np.array([10.0]), np.array([12.0]), 0.5)
    (1.8, 1.0)
    """
    error = actual - predicted_quantile
    return float(np.mean(np.maximum(quantile * error, (quantile - 1) * error)))


def measured(actual_kw: Floats, quantiles_kw: Floats) -> dict[str, Any] | None:
    """What the quantile forecasts (n, 3) are worth on other rows; None without a measured one.

    Returns:
        `coverage_percent` of the interval from 0.1 to 0.9 (80 would be exact), `below_percent` of each quantile,
        `pinball_kw` of each quantile and their mean, `width_percent` of the interval relative to the mean load, `rows`.
    """
    usable = np.isfinite(actual_kw) & np.isfinite(quantiles_kw).all(axis=1)
    actual, bands = actual_kw[usable], quantiles_kw[usable]
    if not len(actual):
        return None
    losses = [pinball_loss(actual, bands[:, index], quantile) for index, quantile in enumerate(QUANTILES)]
    mean_load = float(np.mean(np.abs(actual)))
    inside = (actual >= bands[:, 0]) & (actual <= bands[:, 2])
    return {
        "coverage_percent": float(np.mean(inside) * 100),
        "below_percent": {
            str(quantile): float(np.mean(actual <= bands[:, index]) * 100) for index, quantile in enumerate(QUANTILES)
        },
        "pinball_kw": {str(quantile): loss for quantile, loss in zip(QUANTILES, losses, strict=True)},
        "mean_pinball_kw": float(np.mean(losses)),
        "width_percent": float(np.mean(bands[:, 2] - bands[:, 0]) / mean_load * 100) if mean_load else None,
        "rows": len(actual),
    }
