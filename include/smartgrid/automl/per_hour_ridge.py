"""One ridge regression for each zone and hour of the day: the bar that every other trainer has to beat.

Linear, exact to export, fits in seconds. The strength of the penalty is chosen per zone and hour by generalised
cross-validation.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, best_alpha, solve
from smartgrid.automl.trainer import Budget, NotEnoughHistory, Progress
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema

Floats = npt.NDArray[np.float64]
ALPHAS = np.logspace(-1, 4, 16)
MIN_DAYS = 28  # below this a zone gets the pooled model
FILL_ROWS = 50_000  # rows that the stand-ins for missing values are taken from


@dataclass
class FittedPerHourRidge:
    """Coefficients in the units of the features.

    `weights` (zones + 1, slots, len(columns)) and `intercepts` (zones + 1, slots); the last zone is the pooled model,
    for zones that training did not see. `fill` (len(columns),) replaces missing values.
    """

    schema: FeatureSchema
    columns: list[int]
    weights: Floats
    intercepts: Floats
    fill: Floats

    def predict(self, X: Floats) -> Floats:
        """Load in kW, never negative; NaN where the level of the zone is not known."""
        zone = X[:, self.schema.index("zone_code")].astype(np.int64)
        zone = np.where((zone < 0) | (zone >= self.weights.shape[0] - 1), self.weights.shape[0] - 1, zone)
        slot = np.clip(X[:, self.schema.index("slot")].astype(np.int64), 0, self.weights.shape[1] - 1)
        inputs = X[:, self.columns]
        inputs = np.where(np.isfinite(inputs), inputs, self.fill)
        ratio = np.einsum("ij,ij->i", inputs, self.weights[zone, slot]) + self.intercepts[zone, slot]
        load: Floats = np.maximum(X[:, self.schema.index("level_kw")] * ratio, 0.0)
        return load


@dataclass
class PerHourRidgeRecipe:
    """Penalties (zones + 1, slots) that the search chose."""

    schema: FeatureSchema
    alphas: Floats

    def fit(self, frame: FeatureFrame) -> FittedPerHourRidge:
        """Solve the regressions with the chosen penalties.

        Raises:
            NotEnoughHistory: fewer than 28 days in all zones together.
        """
        with _one_thread():
            return self._fit(frame)

    def _fit(self, frame: FeatureFrame) -> FittedPerHourRidge:
        columns = _columns(self.schema)
        sums, fill = _cross_products(frame, columns)
        n_zones, n_slots = len(self.schema.zones), self.schema.slots_per_day
        weights = np.zeros((n_zones + 1, n_slots, len(columns)))
        intercepts = np.zeros((n_zones + 1, n_slots))
        for slot in range(n_slots):
            pooled = n_zones * n_slots + slot
            for zone in range(n_zones, -1, -1):
                group = zone * n_slots + slot
                if sums.count[group] < MIN_DAYS:
                    weights[zone, slot], intercepts[zone, slot] = weights[n_zones, slot], intercepts[n_zones, slot]
                else:
                    weights[zone, slot], intercepts[zone, slot] = solve(sums, group, float(self.alphas[zone, slot]))
            if sums.count[pooled] < MIN_DAYS:
                raise NotEnoughHistory(float(sums.count[pooled]), MIN_DAYS, f"per_hour_ridge, slot {slot}")
        return FittedPerHourRidge(self.schema, columns, weights, intercepts, fill)


class PerHourRidge:
    """The trainer: chooses the penalty of every regression."""

    name = "per_hour_ridge"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> PerHourRidgeRecipe:
        """Choose penalties by generalised cross-validation. Takes seconds; the budget is not used up."""
        with _one_thread():
            return self._search(frame, progress)

    def _search(self, frame: FeatureFrame, progress: Progress) -> PerHourRidgeRecipe:
        schema = frame.schema
        sums, _ = _cross_products(frame, _columns(schema))
        groups = (len(schema.zones) + 1, schema.slots_per_day)
        progress(f"choosing the penalties of {groups[0] * groups[1]} regressions")
        alphas = [
            best_alpha(sums, group, ALPHAS) if sums.count[group] >= MIN_DAYS else 100.0
            for group in range(groups[0] * groups[1])
        ]
        progress(f"penalties chosen, median {np.median(alphas):g}")
        return PerHourRidgeRecipe(schema, np.array(alphas).reshape(groups))


def _one_thread() -> AbstractContextManager[object]:
    """Matrices of 130 columns: BLAS threads would wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _columns(schema: FeatureSchema) -> list[int]:
    """All but the columns that say which regression applies and in which scale."""
    return [index for index, name in enumerate(schema.names) if name not in ("zone_code", "slot", "level_kw")]


def _cross_products(frame: FeatureFrame, columns: list[int]) -> tuple[CrossProducts, Floats]:
    """Sums of every zone and slot, the pooled ones last, and the means that stand in for missing values."""
    n_zones, n_slots = len(frame.schema.zones), frame.schema.slots_per_day
    rows = np.flatnonzero(frame.usable())
    zone = frame.X[rows, frame.schema.index("zone_code")].astype(np.int64)
    slot = frame.X[rows, frame.schema.index("slot")].astype(np.int64)
    fill = _fill(frame.X[rows[:: max(1, len(rows) // FILL_ROWS)]][:, columns])
    group = np.where(zone < 0, n_zones, zone) * n_slots + slot
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange((n_zones + 1) * n_slots + 1))
    sums = CrossProducts.empty((n_zones + 1) * n_slots, len(columns))
    ratio = frame.ratio
    for number in range(n_zones * n_slots):
        chosen = rows[order[edges[number] : edges[number + 1]]]
        if not len(chosen):
            continue
        inputs = frame.X[chosen][:, columns]
        sums.add(number, np.where(np.isfinite(inputs), inputs, fill), ratio[chosen])
    for number in range(n_slots):
        sums.pool(n_zones * n_slots + number, [zone * n_slots + number for zone in range(n_zones)])
    return sums, fill


def _fill(inputs: Floats) -> Floats:
    """Mean of each column, to stand in for missing values."""
    finite = np.isfinite(inputs)
    count = np.maximum(finite.sum(axis=0), 1)
    fill: Floats = np.where(finite, inputs, 0.0).sum(axis=0) / count
    return fill
