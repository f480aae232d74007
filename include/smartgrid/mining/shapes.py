"""Clusters of daily load shapes over all zones, with letters and names that people can keep using."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining import engine
from smartgrid.mining.clustering import STABLE
from smartgrid.mining.daily_loads import HOURS, DailyLoads
from smartgrid.mining.limits import MiningLimits
from smartgrid.mining.matrix import Matrix
from smartgrid.mining.results import KMeansResult
from smartgrid.mining.run_errors import NotEnoughDays

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# Two clusters of a year of loads are summer and winter; what tells zones apart starts with three.
K_RANGE = (3, 8)
# A day with up to this many hours missing is bridged on a straight line; others are left out.
BRIDGED_HOURS = 2
FEWEST_ROWS = 30
# The k of the run before stays while its silhouette is at most this much below the best.
KEPT_SILHOUETTE = 0.03


@dataclass(frozen=True)
class Shapes:
    """Which cluster each zone-day is in.

    Row i is the day `day[i]` (position in the window) of zone `zone[i]`, shape `values_kw[i]` (24). Clusters are
    ordered by size. `kept`: k is that of the run before. `excluded` are zone-days with missing hours, or
    without any load.
    """

    zones: tuple[str, ...]
    first_date: date
    window_days: int
    zone: _Integers
    day: _Integers
    values_kw: _Floats
    result: KMeansResult
    label: _Integers
    centroids_kw: _Floats
    shape: _Floats
    shape_bands: tuple[_Floats, _Floats]
    excluded: tuple[tuple[str, int], ...]
    bridged: int
    kept: bool

    @property
    def k(self) -> int:
        return len(self.shape)


def day_matrix(loads: DailyLoads) -> tuple[Matrix, _Integers, _Integers, list[tuple[str, int]], int]:
    """(matrix of whole zone-days in kW, zone, day, left out, bridged); days count from the window's first."""
    values, filled = loads.bridged(BRIDGED_HOURS)
    values, filled = values[:, loads.history_days :], filled[:, loads.history_days :]
    # A day without any load has no shape.
    whole = ~np.isnan(values).any(axis=2) & (np.nan_to_num(values).sum(axis=2) > 0)
    zone, day = np.nonzero(whole)
    left_out = [(loads.zones[place], int(of)) for place, of in zip(*np.nonzero(~whole), strict=True)]
    names = tuple(f"{hour:02d}h" for hour in range(HOURS))
    ids = tuple(
        f"{loads.zones[place]} {loads.date(loads.history_days + of)}"
        for place, of in zip(zone.tolist(), day.tolist(), strict=True)
    )
    return Matrix(values[zone, day], names, ids, "zone-day"), zone, day, left_out, int((filled & whole).sum())


def find_shapes(
    loads: DailyLoads,
    *,
    k: int | None = None,
    k_range: tuple[int, int] = K_RANGE,
    k_before: int | None = None,
    seed: int = 0,
    limits: MiningLimits | None = None,
) -> Shapes:
    """K-Means of the zone-days of the window, each divided by its own mean: the shape of a day, not its size.

    Without `k` it is chosen among `k_range`. `k_before`, that of the run before, stays while it is nearly as good as
    the best: otherwise clusters would come and go from week to week for nothing.

    Raises:
        NotEnoughDays: too few whole days.
    """
    matrix, zone, day, left_out, bridged = day_matrix(loads)
    if len(zone) < max(FEWEST_ROWS, k or 0):
        raise NotEnoughDays(len(zone), FEWEST_ROWS)
    options: dict[str, Any] = {"scaler": "row-mean", "constant_columns": "keep", "seed": seed, "limits": limits}
    result = engine.kmeans(matrix, k=k, k_range=k_range, **options)
    kept = k_before is not None and _nearly_as_good(result, k_before)
    if kept:
        # The curve of the search stays: it is what the choice is judged by.
        result = replace(engine.kmeans(matrix, k=k_before, **options), curve=result.curve)
    order = np.argsort(-result.sizes, kind="stable")
    rank = np.empty(result.k, dtype=np.int64)
    rank[order] = np.arange(result.k)
    label = rank[result.labels]
    relative = matrix.values / matrix.values.mean(axis=1, keepdims=True)
    shape = np.stack([relative[label == cluster].mean(axis=0) for cluster in range(result.k)])
    low, high = np.stack(
        [np.percentile(relative[label == cluster], [10, 90], axis=0) for cluster in range(result.k)], axis=1
    )
    return Shapes(
        zones=loads.zones,
        first_date=loads.date(loads.history_days),
        window_days=loads.window_days,
        zone=zone.astype(np.int64),
        day=day.astype(np.int64),
        values_kw=matrix.values,
        result=result,
        label=label,
        centroids_kw=result.centroids[order],
        shape=shape,
        shape_bands=(low, high),
        excluded=tuple(left_out),
        bridged=bridged,
        kept=kept,
    )


def _nearly_as_good(result: KMeansResult, k_before: int) -> bool:
    """Whether another k than the chosen one was tried, is stable, and separates nearly as well."""
    tried = {point.k: point for point in result.curve}
    then, now = tried.get(k_before), tried.get(result.k)
    if then is None or now is None or k_before == result.k:
        return False
    if None in (then.silhouette, then.stability, now.silhouette):
        return False
    return bool(then.stability >= STABLE and then.silhouette >= now.silhouette - KEPT_SILHOUETTE)  # type: ignore[operator]


def shape_name(shape: Sequence[float] | _Floats) -> str:
    """What a shape (24 values, 1 = its mean) looks like: when it peaks, how high, how deep the night is.

    >>> shape_name([0.6] * 6 + [1.0] * 11 + [1.8] * 3 + [1.0] * 4)
    'peak 17-20 h, 1.80 x mean, trough 0.60'
    >>> shape_name([1.0] * 24)
    'flat'
    """
    values = np.asarray(shape, dtype=np.float64)
    values = values / values.mean()
    high, low = float(values.max()), float(values.min())
    if high < 1.05:
        return "flat"
    peaks = _peaks(values)
    times = " and ".join(f"{begin}-{end} h" for begin, end in peaks)
    return f"peak{'s' if len(peaks) > 1 else ''} {times}, {high:.2f} x mean, trough {low:.2f}"


def _peaks(values: _Floats) -> list[tuple[int, int]]:
    """The (first hour, hour after the last) of up to two stretches near the top, in the order of the day."""
    high = float(values.max())
    near = values >= high - 0.25 * (high - float(values.min()))
    stretches: list[tuple[int, int]] = []
    begin = None
    for hour in range(HOURS + 1):
        inside = hour < HOURS and bool(near[hour])
        if inside and begin is None:
            begin = hour
        elif not inside and begin is not None:
            stretches.append((begin, hour))
            begin = None
    highest = sorted(stretches, key=lambda one: -float(values[one[0] : one[1]].max()))[:2]
    return sorted(highest)


def letters(count: int, taken: Sequence[str] = ()) -> list[str]:
    """The next `count` cluster letters that are not taken: A, B, ... Z, AA, AB, ...

    >>> letters(3, taken=["A", "C"])
    ['B', 'D', 'E']
    """
    alphabet = string.ascii_uppercase
    every = list(alphabet) + [first + second for first in alphabet for second in alphabet]
    return [letter for letter in every if letter not in taken][:count]


def curve_json(result: KMeansResult) -> list[dict[str, Any]]:
    return [point.as_json() for point in result.curve]
