"""A lone temperature far from both neighbours: air does not warm by twenty degrees for one interval."""

from __future__ import annotations

import numpy as np

from smartgrid.quality.checks.neighbours import level_around, near_previous
from smartgrid.quality.finding import Finding
from smartgrid.quality.reasons import Reason
from smartgrid.quality.rules import Rules
from smartgrid.quality.series import Series


def temperature_jump_finding(series: Series, rules: Rules) -> Finding:
    """Batch rows whose temperature alone leaves the curve."""
    known = ~np.isnan(series.temperature_c)
    series = series.only(known)
    n, limit = len(series), rules.limits.temperature_jump_c
    temperature = series.temperature_c
    change = np.diff(temperature)
    far_at = np.flatnonzero(np.abs(change) > limit)
    if not len(far_at):
        return Finding(Reason.TEMPERATURE_JUMP, np.empty(0, dtype=np.int64))
    near_at = near_previous(series, rules)
    far_at = far_at[near_at[far_at]]
    after = far_at[np.isin(far_at + 1, far_at)] + 1
    lone = after[change[after - 1] * change[after] < 0]
    lone = lone[np.abs(temperature[lone] - level_around(series, temperature, lone, rules)) > limit / 2]
    # At an edge: far from two readings that agree with each other.
    last = far_at[far_at >= 1] + 1
    last = last[(last == n - 1) | ~near_at[np.minimum(last, n - 2)]]
    last = last[near_at[last - 2] & (np.abs(change[last - 2]) <= limit / 2)]
    first = far_at[far_at + 2 < n]
    first = first[(first == 0) | ~near_at[np.maximum(first - 1, 0)]]
    first = first[near_at[first + 1] & (np.abs(change[first + 1]) <= limit / 2)]
    found = np.unique(np.concatenate((lone, last, first)))
    found = found[series.row[found] < series.batch_rows]
    return Finding(
        Reason.TEMPERATURE_JUMP,
        series.row[found],
        value=temperature[found],
        limit=limit,
        previous=_at(temperature, found - 1),
        following=_at(temperature, found + 1),
    )


def _at(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], at: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    inside = (at >= 0) & (at < len(values))
    return np.where(inside, values[np.clip(at, 0, len(values) - 1)], np.nan)
