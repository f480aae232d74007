"""Is one forecast really better than another on the same days, or is it luck?

Paired block bootstrap over local days: the errors of a day stay together, and so do neighbouring days, because errors
of one day look like those of the next. Blocks are circular: Politis and Romano, "A circular block-resampling procedure
for stationary data", in LePage and Billard (eds.), Exploring the Limits of Bootstrap, Wiley, 1992.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Outcome = Literal["better", "worse", "equal", "undecided"]

RESAMPLES = 10_000
MIN_DAYS = 7  # fewer say nothing about the spread between days


@dataclass(frozen=True, slots=True)
class Comparison:
    """`difference` is the error of the challenger minus that of the other, in the unit of `metric`; [`low`, `high`] is
    its interval of confidence, None below a week of common days.

    `outcome`: better or worse where the interval excludes zero, else equal; undecided without an interval.
    """

    metric: str
    challenger: float | None
    other: float | None
    difference: float | None
    low: float | None
    high: float | None
    days: int
    rows: int
    block_days: int
    outcome: Outcome

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    challenger: pl.DataFrame,
    other: pl.DataFrame,
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    block_days: int | None = None,
) -> Comparison:
    """Compare two tables of evaluation.backtest on the rows that both forecast.

    The error is MAPE; where no load is above zero it is the mean absolute error in kW. `block_days` is by default the
    cube root of the number of days, the usual rate.
    """
    metric, losses = _daily_losses(challenger, other)
    days, rows = len(losses), int(losses[:, 2].sum())
    if not days:
        return Comparison(metric, None, None, None, None, None, 0, 0, 0, "undecided")
    mine, theirs = (float(losses[:, side].sum() / rows) for side in (0, 1))
    block = max(1, round(days ** (1 / 3))) if block_days is None else min(block_days, days)
    if days < MIN_DAYS:
        return Comparison(metric, mine, theirs, mine - theirs, None, None, days, rows, block, "undecided")
    drawn = _circular_blocks(days, block, resamples, np.random.default_rng(seed))
    sums = np.stack([column[drawn].sum(axis=1) for column in losses.T], axis=1)
    tail = (1 - confidence) / 2
    low, high = (float(edge) for edge in np.quantile((sums[:, 0] - sums[:, 1]) / sums[:, 2], (tail, 1 - tail)))
    outcome: Outcome = "better" if high < 0 else "worse" if low > 0 else "equal"
    return Comparison(metric, mine, theirs, mine - theirs, low, high, days, rows, block, outcome)


def _daily_losses(challenger: pl.DataFrame, other: pl.DataFrame) -> tuple[str, Floats]:
    """The metric, and of every local day the losses of both sides and the number of rows (days, 3)."""
    both = challenger.join(
        other.select("zone", "target_time", pl.col("predicted_kw").alias("other_kw")), on=["zone", "target_time"]
    ).filter(pl.col("actual_kw").is_finite() & pl.col("predicted_kw").is_finite() & pl.col("other_kw").is_finite())
    positive = both.filter(pl.col("actual_kw") > 0)
    metric, unit = ("mae_kw", pl.lit(1.0)) if positive.is_empty() else ("mape_percent", pl.col("actual_kw") / 100)
    daily = (
        (both if positive.is_empty() else positive)
        .group_by("issue_time")
        .agg(
            ((pl.col("predicted_kw") - pl.col("actual_kw")).abs() / unit).sum().alias("mine"),
            ((pl.col("other_kw") - pl.col("actual_kw")).abs() / unit).sum().alias("theirs"),
            pl.len().cast(pl.Float64).alias("rows"),
        )
        .sort("issue_time")
    )
    return metric, daily.select("mine", "theirs", "rows").to_numpy()


def _circular_blocks(
    days: int, block_days: int, resamples: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Indices of days (resamples, days), drawn as blocks of neighbours; the last day's neighbour is the first."""
    blocks = -(-days // block_days)
    starts = generator.integers(0, days, size=(resamples, blocks, 1))
    drawn = (starts + np.arange(block_days)) % days
    indices: npt.NDArray[np.int64] = drawn.reshape(resamples, -1)[:, :days]
    return indices
