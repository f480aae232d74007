"""Loads that are absurd for their zone, as when a meter reports W in a column of kW."""

from __future__ import annotations

import numpy as np

from smartgrid.quality.checks.reference import ENOUGH_HISTORY, zone_reference
from smartgrid.quality.finding import Finding, Floats, Integers
from smartgrid.quality.reasons import Reason
from smartgrid.quality.series import Series

ABSURD_RATIO = 10.0
HIGH_QUANTILE = 0.995
# Unit errors are factors of 1,000: they leave a hole in the distribution that no real load has. Rows above the hole
# must not raise the quantile that they are judged by.
HOLE_RATIO = 30.0
HOLE_FROM_QUANTILE = 0.9


def out_of_range_finding(series: Series) -> Finding:
    """Rows above ten times the 99.5th percentile of their zone."""
    rows, limits, values = [], [], []
    load = np.abs(series.load_kw) if len(series) and series.load_kw.min() < 0 else series.load_kw
    bounds = series.zone_bounds()
    for zone in _suspect_zones(series, load, bounds):
        start, end = int(bounds[zone]), int(bounds[zone + 1])
        limit = _absurd_above(zone_reference(series, start, end))
        found = start + np.flatnonzero(load[start:end] > limit)
        found = found[series.row[found] < series.batch_rows]
        rows.append(series.row[found])
        values.append(series.load_kw[found])
        limits.append(np.full(len(found), limit))
    if not rows:
        return Finding(Reason.LOAD_OUT_OF_RANGE, np.empty(0, dtype=np.int64))
    return Finding(
        Reason.LOAD_OUT_OF_RANGE, np.concatenate(rows), value=np.concatenate(values), limit=np.concatenate(limits)
    )


def _suspect_zones(series: Series, load: Floats, bounds: Integers) -> Integers:
    """Zones worth a closer look. Without history, a maximum below ten means cannot be absurd."""
    if not len(series):
        return np.empty(0, dtype=np.int64)
    starts = bounds[:-1]
    mean = np.add.reduceat(load, starts) / np.diff(bounds)
    suspect = np.maximum.reduceat(load, starts) > ABSURD_RATIO * mean
    if series.batch_rows <= int(series.row.max()):
        suspect |= np.add.reduceat(series.is_context.astype(np.int64), starts) >= ENOUGH_HISTORY
    return np.flatnonzero(suspect)


def _absurd_above(reference: Floats) -> float:
    below = int(HOLE_FROM_QUANTILE * len(reference))
    top = np.sort(np.partition(reference, below)[below:])
    holes = np.flatnonzero((top[:-1] > 0) & (top[1:] > HOLE_RATIO * top[:-1]))
    if len(holes):
        top = top[: int(holes[0]) + 1]
    rank = int(HIGH_QUANTILE * (below + len(top) - 1)) - below
    high = float(top[max(0, rank)])
    # A zone that hardly ever reads anything gives no scale to judge by.
    return ABSURD_RATIO * high if high > 0 else float("inf")
