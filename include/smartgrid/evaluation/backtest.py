"""Rolling-origin backtest: refit weekly, forecast every day from its own midnight, see nothing later.

Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of Forecasting 16(4), 2000.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.features.frame import FeatureFrame

SYSTEM = "SYSTEM"
DAILY, WEEKLY, FOUR_WEEKLY = 1, 7, 28
WEEKLY_MAX_FIT_S = 5.0
# Above this a window is forecast with one fit: a tournament of several such models would last longer than its searches.
FOUR_WEEKLY_MAX_FIT_S = 15.0
# Of 80 days a week is a tenth: with so little, what can be fitted in no time is fitted every day.
SHORT_HISTORY_DAYS, DAILY_MAX_FIT_S = 120, 0.5
NAIVES = ("daily_naive", "weekly_naive")


class _Model(Protocol):
    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...


class _Recipe(Protocol):
    def fit(self, frame: FeatureFrame) -> _Model: ...


def rolling_origin(
    recipe: _Recipe,
    frame: FeatureFrame,
    start: np.datetime64,
    end: np.datetime64,
    *,
    refit_days: int | None = None,
    border: np.datetime64 | None = None,
    on_fit: Callable[[np.datetime64, Any, float], None] = lambda *_: None,
    progress: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """Forecasts of the rows issued in [start, end).

    The recipe is fitted anew every `refit_days` on rows whose target time lies before the origin. By default that is
    weekly; daily where there are fewer than 120 days to fit on and a fit takes below half a second; every four weeks
    where the first fit takes more than 5 s; not again where it takes more than 15 s.

    Args:
        border: a refit there, whatever was before: the second of two windows begins.
        on_fit: gets origin, model and seconds of every fit.

    Returns:
        zone, target_time, issue_time, actual_kw (NaN: not measured), predicted_kw.
    """
    parts = []
    origin = start
    while origin < end:
        before = time.monotonic()
        model = recipe.fit(frame.where(frame.target_time < origin))
        fit_s = time.monotonic() - before
        on_fit(origin, model, fit_s)
        if refit_days is None:
            refit_days = _refit_days(origin - frame.target_time.min(), fit_s, end - start)
        following = _next_origin(origin, refit_days, end if border is None or origin >= border else border)
        rows = frame.between(origin, following)
        parts.append(forecast_table(rows, model.predict(rows.X)))
        progress(f"backtest origin {origin.astype('datetime64[D]')} done")
        origin = following
    return pl.concat(parts)


def _next_origin(origin: np.datetime64, refit_days: int, stop: np.datetime64) -> np.datetime64:
    """At most `stop`; and that too if it is hours away, where clocks changed: no day is issued in these hours."""
    following = origin + np.timedelta64(refit_days, "D")
    return stop if stop < following + np.timedelta64(12, "h") else following


def _refit_days(history: np.timedelta64, fit_s: float, window: np.timedelta64) -> int:
    if history < np.timedelta64(SHORT_HISTORY_DAYS, "D") and fit_s <= DAILY_MAX_FIT_S:
        return DAILY
    if fit_s > FOUR_WEEKLY_MAX_FIT_S:
        return max(FOUR_WEEKLY, math.ceil(window / np.timedelta64(1, "D")))
    return WEEKLY if fit_s <= WEEKLY_MAX_FIT_S else FOUR_WEEKLY


def naive(frame: FeatureFrame, start: np.datetime64, end: np.datetime64, method: str) -> pl.DataFrame:
    """The same table for `daily_naive` (same hour yesterday) or `weekly_naive` (same hour a week ago)."""
    rows = frame.between(start, end)
    lag = rows.column("lag_1d" if method == "daily_naive" else "lag_7d")
    return forecast_table(rows, lag * rows.column("level_kw"))


def forecast_table(rows: FeatureFrame, predicted_kw: npt.NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "zone": rows.zone,
            "target_time": pl.Series(rows.target_time).dt.replace_time_zone("UTC"),
            "issue_time": pl.Series(rows.issue_time).dt.replace_time_zone("UTC"),
            "actual_kw": rows.y_kw,
            "predicted_kw": predicted_kw,
        }
    )


def system_total(table: pl.DataFrame) -> pl.DataFrame:
    """The sum over zones of each target time at which every zone has both sides, as zone `SYSTEM`."""
    zones = table["zone"].n_unique()
    return (
        table.filter(pl.col("actual_kw").is_finite() & pl.col("predicted_kw").is_finite())
        .group_by("target_time", "issue_time", maintain_order=True)
        .agg(pl.col("actual_kw").sum(), pl.col("predicted_kw").sum(), pl.len().alias("_zones"))
        .filter(pl.col("_zones") == zones)
        .select(pl.lit(SYSTEM).alias("zone"), "target_time", "issue_time", "actual_kw", "predicted_kw")
        .sort("target_time")
    )
