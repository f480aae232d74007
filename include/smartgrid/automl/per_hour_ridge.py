"""One ridge regression for each zone and hour of the day: the bar that every other trainer has to beat.

Linear, exact to export, fits in seconds. How strongly a zone's regressions are penalised is chosen on the newest parts
of its history, in time order (`penalty_search`). So is how much of the forecast comes from the seasonal profile
(`ridge_members`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts, solve
from smartgrid.automl.penalty_search import CAUTIOUS, Penalty, choose_penalty
from smartgrid.automl.profile_ridge import fit_profile
from smartgrid.automl.ridge_columns import (
    cross_products,
    days_of,
    means_of,
    plain_columns,
    profile_columns,
    slow_columns,
)
from smartgrid.automl.ridge_members import MEMBERS, PLAIN_ONLY, ZoneRows, choose_shares, goes_on
from smartgrid.automl.trainer import Budget, NotEnoughHistory, Progress, SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema

Floats = npt.NDArray[np.float64]
_Table = tuple[Floats, Floats]  # weights and intercepts of every slot
TRIED_SLOTS, MIN_TRIED_SLOTS = 24, 4  # of all zones together, and of each
MIN_DAYS = 28  # below this a zone gets the pooled model


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
    """What the search chose for every zone, the pooled model of unknown zones last.

    `alphas` (zones + 1, slots) are the penalties of the plain ridge, `slow_factors` (zones + 1,) what they are
    multiplied by for columns that move with the season or the years (None: one). `anchored` are alpha and slow factor
    (zones + 1, 2) of the ridge that is drawn towards the profile, `shares` (zones + 1, 4) the weights of the members of
    `ridge_members`; None: the plain ridge alone.
    """

    schema: FeatureSchema
    alphas: Floats
    slow_factors: Floats | None = None
    anchored: Floats | None = None
    shares: Floats | None = None

    @property
    def summary(self) -> SearchSummary:
        """In a line; choosing penalties takes no trials."""
        best = f"{self.alphas.size} ridge regressions, median penalty {np.median(self.alphas):g}"
        if self.shares is not None:
            parts = [f"{name} {share:.0%}" for name, share in zip(MEMBERS, self.shares.mean(axis=0), strict=True)]
            best += f"; {', '.join(parts)}"
        return SearchSummary(0, best)

    def fit(self, frame: FeatureFrame) -> FittedPerHourRidge:
        """Solve the regressions with the chosen penalties.

        Raises:
            NotEnoughHistory: fewer than 28 days in all zones together.
        """
        with _one_thread():
            return self._fit(frame)

    def _fit(self, frame: FeatureFrame) -> FittedPerHourRidge:
        n_zones, n_slots = len(self.schema.zones), self.schema.slots_per_day
        of_plain, of_profile = plain_columns(self.schema), profile_columns(self.schema)
        shares = np.tile(PLAIN_ONLY, (n_zones + 1, 1)) if self.shares is None else self.shares.copy()
        if not shares[:, 1:].any():
            of_profile = []
        columns, n_plain = of_plain + of_profile, len(of_plain)
        sums, fill = cross_products(frame, columns)
        for slot in range(n_slots):
            if (count := float(sums.count[n_zones * n_slots + slot])) < MIN_DAYS:
                raise NotEnoughHistory(count, MIN_DAYS, f"per_hour_ridge, slot {slot}")
        slow = np.ones(n_zones + 1) if self.slow_factors is None else self.slow_factors
        penalties = [
            Penalty(float(alpha), float(factor)) for alpha, factor in zip(self.alphas[:, 0], slow, strict=True)
        ]
        model = FittedPerHourRidge(
            self.schema,
            columns,
            np.zeros((n_zones + 1, n_slots, len(columns))),
            np.zeros((n_zones + 1, n_slots)),
            fill,
        )
        for code, fitted in enumerate(self._profiles(frame, of_profile, shares[:, 2])):
            if fitted is None:
                shares[code] += shares[code, 2] * (PLAIN_ONLY - np.eye(len(MEMBERS))[2])
            else:
                model.weights[code, :, n_plain:] += shares[code, 2] * fitted[0]
                model.intercepts[code] += shares[code, 2] * fitted[1]
        if of_profile:
            model.weights[:, :, n_plain:] += (shares[:, 3, None] * goes_on(len(of_profile)))[:, None, :]
        _add_ridge(model, sums.first(n_plain), shares[:, 0], penalties, slow_columns(self.schema, of_plain))
        if self.anchored is not None and shares[:, 1].any():
            penalties = [Penalty(float(alpha), float(factor)) for alpha, factor in self.anchored]
            _add_ridge(model, sums.less(n_plain), shares[:, 1], penalties, slow_columns(self.schema, columns))
            model.weights[:, :, n_plain] += shares[:, 1, None]
        return model

    def _profiles(self, frame: FeatureFrame, columns: list[int], shares: Floats) -> list[_Table | None]:
        """The profile regression of every zone with a share of it, the pooled one last and for zones that have too
        little."""
        rows = np.flatnonzero(frame.usable())
        profile, ratio = frame.X[:, columns][rows], frame.ratio[rows]
        zone, slot = frame.column("zone_code")[rows], frame.column("slot")[rows].astype(np.int64)
        n_slots = self.schema.slots_per_day
        pooled = fit_profile(profile, ratio, slot, n_slots) if shares.any() else None
        found: list[_Table | None] = []
        for code in range(len(self.schema.zones)):
            own = None
            if shares[code]:
                mine = zone == code
                own = fit_profile(profile[mine], ratio[mine], slot[mine], n_slots)
            found.append(own if own is not None else pooled)
        return [*found, pooled]


def _add_ridge(
    model: FittedPerHourRidge,
    sums: CrossProducts,
    shares: Floats,
    penalties: list[Penalty],
    is_slow: npt.NDArray[np.bool_],
) -> None:
    """Add to `model` the regressions of every zone and slot, weighted by `shares` (zones + 1,). A zone with too few
    days gets the pooled ones."""
    pooled, n_slots, n_columns = len(shares) - 1, model.weights.shape[1], len(is_slow)
    for slot in range(n_slots):
        of_pooled = solve(sums, pooled * n_slots + slot, penalties[pooled].of(is_slow))
        for zone, share in enumerate(shares):
            if not share:
                continue
            group = zone * n_slots + slot
            own = zone != pooled and sums.count[group] >= MIN_DAYS
            weights, intercept = solve(sums, group, penalties[zone].of(is_slow)) if own else of_pooled
            model.weights[zone, slot, :n_columns] += share * weights
            model.intercepts[zone, slot] += share * intercept


class PerHourRidge:
    """The trainer: chooses the penalties of every zone and the shares of the members."""

    name = "per_hour_ridge"
    library = "numpy"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> PerHourRidgeRecipe:
        """Choose penalties and shares for each zone, and what zones that training did not see get: medians and means.
        Takes seconds; the budget is not used up."""
        with _one_thread():
            return self._search(frame, progress)

    def _search(self, frame: FeatureFrame, progress: Progress) -> PerHourRidgeRecipe:
        schema, n_zones = frame.schema, len(frame.schema.zones)
        progress(f"choosing the penalties of {n_zones} zones")
        zone, usable = frame.column("zone_code"), frame.usable()
        max_slots = max(MIN_TRIED_SLOTS, TRIED_SLOTS // max(n_zones, 1))
        chosen = [_zone_choice(frame, np.flatnonzero(usable & (zone == code)), max_slots) for code in range(n_zones)]
        plain = np.array([[penalty.alpha, penalty.slow_factor] for penalty, _, _ in chosen])
        anchored = np.array([[penalty.alpha, penalty.slow_factor] for _, penalty, _ in chosen])
        shares = np.array([share for _, _, share in chosen])
        plain = np.vstack([plain, np.median(plain, axis=0)])
        progress(f"penalties chosen, median {plain[-1, 0]:g}")
        return PerHourRidgeRecipe(
            schema,
            np.repeat(plain[:, :1], schema.slots_per_day, axis=1),
            plain[:, 1],
            np.vstack([anchored, np.median(anchored, axis=0)]),
            np.vstack([shares, shares.mean(axis=0)]),
        )


def _zone_choice(frame: FeatureFrame, rows: npt.NDArray[np.int64], max_slots: int) -> tuple[Penalty, Penalty, Floats]:
    """Penalties of the plain and the anchored ridge of one zone, and the shares of the members."""
    schema = frame.schema
    of_plain, of_profile = plain_columns(schema), profile_columns(schema)
    if not len(rows):
        return CAUTIOUS, CAUTIOUS, PLAIN_ONLY
    columns, n_plain = of_plain + of_profile, len(of_plain)
    inputs = frame.X[rows][:, columns]
    known = ZoneRows(
        np.where(np.isfinite(inputs), inputs, means_of(inputs)),
        inputs[:, n_plain:],
        frame.ratio[rows],
        days_of(frame, rows),
        frame.column("slot")[rows].astype(np.int64),
        slow_columns(schema, columns),
        has_temperature=schema.temperature != "none",
    )
    is_slow = known.is_slow
    plain = choose_penalty(known.inputs[:, :n_plain], known.ratio, known.day, known.slot, is_slow[:n_plain], max_slots)
    if not of_profile:
        return plain, CAUTIOUS, PLAIN_ONLY
    rest = known.ratio - known.inputs[:, n_plain]
    anchored = choose_penalty(known.inputs, rest, known.day, known.slot, is_slow, max_slots)
    return plain, anchored, choose_shares(known, plain, anchored, max_slots)


def _one_thread() -> AbstractContextManager[object]:
    """Matrices of 160 columns: BLAS threads would wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
