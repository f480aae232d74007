"""The finalists together: their mean, or a weighted mean with weights fitted on the selection window.

Weights are non-negative and add up to one (Breiman, "Stacked regressions", Machine Learning 24, 1996), so that the
ensemble never leaves the range of its members.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.automl.trainer import FittedModel, Recipe
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema

Floats = npt.NDArray[np.float64]

ENSEMBLE = "ensemble"
MAX_MEMBERS = 3  # each one is exported, loaded and run for every row
NEAR_THE_BEST = 1.5  # a member with more than this times the smallest error only dilutes the others
MIN_STACK_ROWS = 100


@dataclass
class MeanModel:
    """Weighted mean of `members`, which all take the rows of `schema`; `weights` add up to one."""

    members: list[FittedModel]
    weights: list[float]
    schema: FeatureSchema

    def predict(self, X: Floats) -> Floats:
        """Load in kW (n,); NaN where a member has none."""
        parts = [weight * member.predict(X) for member, weight in zip(self.members, self.weights, strict=True)]
        total: Floats = np.sum(parts, axis=0, dtype=np.float64)
        return total


@dataclass
class MeanRecipe:
    """Recipes of the members and their weights."""

    members: list[Recipe]
    weights: list[float]

    def fit(self, frame: FeatureFrame) -> MeanModel:
        """Fit every member anew on `frame`; the weights stay."""
        return MeanModel([member.fit(frame) for member in self.members], list(self.weights), frame.schema)


def finalists(errors: dict[str, float]) -> list[str]:
    """Candidates worth combining, best first: at most three, none with 1.5 times the smallest error.

    >>> finalists({"a": 2.0, "b": 2.5, "c": 3.5})
    ['a', 'b']
    """
    ordered = sorted(errors, key=lambda name: (errors[name], name))
    near = [name for name in ordered if errors[name] <= NEAR_THE_BEST * errors[ordered[0]]]
    return near[:MAX_MEMBERS]


def mean_table(tables: list[pl.DataFrame], weights: list[float]) -> pl.DataFrame:
    """The backtest that the ensemble would have had: the members were refitted at the same origins."""
    combined = tables[0].rename({"predicted_kw": "part_0"})
    for index, table in enumerate(tables[1:], start=1):
        part = table.select("zone", "target_time", pl.col("predicted_kw").alias(f"part_{index}"))
        combined = combined.join(part, on=["zone", "target_time"])
    total = pl.sum_horizontal(pl.col(f"part_{index}") * weight for index, weight in enumerate(weights))
    return combined.select("zone", "target_time", "issue_time", "actual_kw", total.alias("predicted_kw"))


def stack_weights(tables: list[pl.DataFrame], levels: pl.DataFrame) -> list[float] | None:
    """Weights that make the weighted mean closest to what was measured, errors relative to the level of each zone.

    Args:
        tables: backtests of the members.
        levels: zone, target_time, level_kw.

    Returns:
        None where there are too few rows, or nothing to choose between.
    """
    from scipy.optimize import nnls

    rows = tables[0].select("zone", "target_time", "actual_kw").join(levels, on=["zone", "target_time"])
    for index, table in enumerate(tables):
        part = table.select("zone", "target_time", pl.col("predicted_kw").alias(f"part_{index}"))
        rows = rows.join(part, on=["zone", "target_time"])
    parts = [f"part_{index}" for index in range(len(tables))]
    rows = rows.filter(pl.all_horizontal(pl.col("actual_kw", *parts).is_finite()) & (pl.col("level_kw") > 0))
    if rows.height < MIN_STACK_ROWS:
        return None
    level = rows["level_kw"].to_numpy()
    inputs = rows.select(parts).to_numpy() / level[:, None]
    target = rows["actual_kw"].to_numpy() / level
    # One heavy equation says that the weights add up to one.
    heavy = 1e3 * np.sqrt(len(target)) * max(float(np.abs(inputs).mean()), 1e-9)
    weights, _ = nnls(np.vstack([inputs, np.full(len(parts), heavy)]), np.append(target, heavy))
    total = float(weights.sum())
    return [float(weight / total) for weight in weights] if total > 0 else None
