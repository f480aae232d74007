"""One ridge regression for each zone and hour of the day: the bar that every other trainer has to beat.

Linear, exact to export, fits in seconds. How strongly a zone's regressions are penalised is chosen on the newest parts
of its history, in time order (`penalty_search`). With some weeks of history half of the forecast may come from the
seasonal profile (`profile_ridge`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.penalty_search import CAUTIOUS, Penalty, choose_penalty
from smartgrid.automl.profile_ridge import choose_share, fit_profile
from smartgrid.automl.trainer import Budget, NotEnoughHistory, Progress, SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import PROFILE_COLUMNS, FeatureSchema

Floats = npt.NDArray[np.float64]
TRIED_SLOTS, MIN_TRIED_SLOTS = 24, 4  # of all zones together, and of each
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
    """Penalties (zones + 1, slots) that the search chose, and what they are multiplied by for columns that move with
    the season or the years, `slow_factors` (zones + 1,); None: one. `profile_shares` (zones + 1,) of the forecast come
    from the seasonal profile; None: nothing."""

    schema: FeatureSchema
    alphas: Floats
    slow_factors: Floats | None = None
    profile_shares: Floats | None = None

    @property
    def summary(self) -> SearchSummary:
        """In a line; choosing penalties takes no trials."""
        return SearchSummary(0, f"{self.alphas.size} ridge regressions, median penalty {np.median(self.alphas):g}")

    def fit(self, frame: FeatureFrame) -> FittedPerHourRidge:
        """Solve the regressions with the chosen penalties.

        Raises:
            NotEnoughHistory: fewer than 28 days in all zones together.
        """
        with _one_thread():
            model = self._fit(frame)
            shares = self.profile_shares
            return model if shares is None or not shares.any() else self._with_profile(model, frame, shares)

    def _fit(self, frame: FeatureFrame) -> FittedPerHourRidge:
        columns = _columns(self.schema)
        sums, fill = _cross_products(frame, columns)
        n_zones, n_slots = len(self.schema.zones), self.schema.slots_per_day
        is_slow = _slow(self.schema, columns)
        slow_factors = np.ones(n_zones + 1) if self.slow_factors is None else self.slow_factors
        weights = np.zeros((n_zones + 1, n_slots, len(columns)))
        intercepts = np.zeros((n_zones + 1, n_slots))
        for slot in range(n_slots):
            pooled = n_zones * n_slots + slot
            for zone in range(n_zones, -1, -1):
                group = zone * n_slots + slot
                if sums.count[group] < MIN_DAYS:
                    weights[zone, slot], intercepts[zone, slot] = weights[n_zones, slot], intercepts[n_zones, slot]
                else:
                    penalty = Penalty(float(self.alphas[zone, slot]), float(slow_factors[zone]))
                    weights[zone, slot], intercepts[zone, slot] = solve(sums, group, penalty.of(is_slow))
            if sums.count[pooled] < MIN_DAYS:
                raise NotEnoughHistory(float(sums.count[pooled]), MIN_DAYS, f"per_hour_ridge, slot {slot}")
        return FittedPerHourRidge(self.schema, columns, weights, intercepts, fill)

    def _with_profile(self, model: FittedPerHourRidge, frame: FeatureFrame, shares: Floats) -> FittedPerHourRidge:
        """The weighted mean of `model` and the profile regressions of the zones: again one table."""
        profile_columns = _profile_columns(self.schema)
        usable = frame.trainable()
        profile, zone = usable.X[:, profile_columns], usable.column("zone_code")
        slot, n_zones, n_slots = usable.column("slot").astype(np.int64), len(self.schema.zones), model.weights.shape[1]
        weights = np.concatenate([model.weights, np.zeros((n_zones + 1, n_slots, len(profile_columns)))], axis=2)
        intercepts = model.intercepts.copy()
        pooled = fit_profile(profile, usable.ratio, slot, n_slots)
        for code in np.flatnonzero(shares > 0):
            rows = zone == code
            own = fit_profile(profile[rows], usable.ratio[rows], slot[rows], n_slots) if code < n_zones else None
            fitted = own if own is not None else pooled
            if fitted is None:
                continue
            weights[code] *= 1 - shares[code]
            weights[code, :, len(model.columns) :] = shares[code] * fitted[0]
            intercepts[code] = (1 - shares[code]) * intercepts[code] + shares[code] * fitted[1]
        fill = np.concatenate([model.fill, _fill(profile)])
        return FittedPerHourRidge(self.schema, model.columns + profile_columns, weights, intercepts, fill)


class PerHourRidge:
    """The trainer: chooses the penalty of every regression."""

    name = "per_hour_ridge"
    library = "numpy"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> PerHourRidgeRecipe:
        """Choose a penalty for each zone, and their median for the pooled regressions. Takes seconds; the budget is not
        used up."""
        with _one_thread():
            return self._search(frame, progress)

    def _search(self, frame: FeatureFrame, progress: Progress) -> PerHourRidgeRecipe:
        schema, columns = frame.schema, _columns(frame.schema)
        n_zones, is_slow = len(schema.zones), _slow(frame.schema, columns)
        progress(f"choosing the penalties of {n_zones} zones")
        zone = frame.column("zone_code")
        usable = frame.usable()
        max_slots = max(MIN_TRIED_SLOTS, TRIED_SLOTS // max(n_zones, 1))
        profile_columns = _profile_columns(schema)
        chosen: list[Penalty] = []
        shares: list[float] = []
        for code in range(n_zones):
            rows = np.flatnonzero(usable & (zone == code))
            if not len(rows):
                chosen.append(CAUTIOUS)
                shares.append(0.0)
                continue
            inputs = frame.X[rows][:, columns]
            inputs = np.where(np.isfinite(inputs), inputs, _fill(inputs))
            day = _days(frame, rows)
            slot = frame.column("slot")[rows].astype(np.int64)
            ratio, profile = frame.ratio[rows], frame.X[rows][:, profile_columns]
            chosen.append(choose_penalty(inputs, ratio, day, slot, is_slow, max_slots))
            share = choose_share(inputs, profile, ratio, day, slot, is_slow, chosen[-1]) if profile_columns else 0.0
            shares.append(share)
        alphas = np.array([penalty.alpha for penalty in chosen])
        slow = np.array([penalty.slow_factor for penalty in chosen])
        alphas, slow = np.append(alphas, np.median(alphas)), np.append(slow, np.median(slow))
        progress(f"penalties chosen, median {alphas[-1]:g}")
        shares.append(float(np.median(shares)) if shares else 0.0)
        alphas = np.repeat(alphas[:, None], schema.slots_per_day, axis=1)
        return PerHourRidgeRecipe(schema, alphas, slow, np.array(shares))


def _one_thread() -> AbstractContextManager[object]:
    """Matrices of 160 columns: BLAS threads would wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _columns(schema: FeatureSchema) -> list[int]:
    """All but the columns that say which regression applies and in which scale, and those of the profile."""
    left_out = ("zone_code", "slot", "level_kw", *PROFILE_COLUMNS)
    return [index for index, name in enumerate(schema.names) if name not in left_out]


def _profile_columns(schema: FeatureSchema) -> list[int]:
    """Those of the profile; none where a schema is without them."""
    if not set(PROFILE_COLUMNS) <= set(schema.names):
        return []
    return [schema.index(name) for name in PROFILE_COLUMNS]


def _slow(schema: FeatureSchema, columns: list[int]) -> npt.NDArray[np.bool_]:
    """Columns that move with the season or the years."""
    names = [schema.names[index] for index in columns]
    return np.array([name.startswith("year_") or name == "trend_years" for name in names], dtype=np.bool_)


def _days(frame: FeatureFrame, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Days since 1970 of the rows' issue times: all rows of a local day share one."""
    days: npt.NDArray[np.int64] = frame.issue_time[rows].astype("datetime64[D]").astype(np.int64)
    return days


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
