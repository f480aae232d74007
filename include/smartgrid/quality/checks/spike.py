"""A lone reading far from both neighbours, up or down.

A ratio alone would hit loads that really jump (an industrial zone, one house), so a spike must also stand out from
the lone jumps that its zone makes every day. A step that stays is no spike: one of its neighbours agrees with it.
"""

from __future__ import annotations

import numpy as np

from smartgrid.quality.checks.neighbours import level_around, near_previous
from smartgrid.quality.checks.reference import zones_of
from smartgrid.quality.finding import Finding, Flags, Floats, Integers
from smartgrid.quality.reasons import Reason
from smartgrid.quality.rules import Rules
from smartgrid.quality.series import Series

# A zone with more lone jumps than this makes them by nature.
HABITUAL_SHARE = 0.02
HABITUAL_COUNT = 3
USUAL_QUANTILE = 0.98
USUAL_SAMPLE = 4096
# How far beyond the usual lone jump of the zone.
USUAL_RATIO = 3.0
# At the edge of the data only one side is known, and a load that starts or stops looks the same: ask for more, and
# for a value that the zone does not read otherwise.
EDGE_FACTOR = 2.0


def spike_finding(series: Series, rules: Rules) -> tuple[Flags, Finding]:
    """Rows of `series` that stay, and the finding."""
    n = len(series)
    keep = np.ones(n, dtype=np.bool_)
    load, ratio = series.load_kw, rules.limits.spike_ratio
    size = np.abs(load) if n and load.min() < 0 else load
    jump = (size[1:] > ratio * size[:-1]) | (size[:-1] > ratio * size[1:])
    jump_at = np.flatnonzero(jump)
    near_at = near_previous(series, rules)
    jump_at = jump_at[near_at[jump_at]]
    # A lone reading has a jump on each side (between i - 1 and i, and between i and i + 1), in opposite directions.
    left = jump_at[np.isin(jump_at + 1, jump_at)]
    lone = left + 1
    lone = lone[(load[lone] > load[lone - 1]) == (load[lone] > load[lone + 1])]
    level = level_around(series, size, lone, rules)
    # The level itself moves within these hours: the root of the ratio tells a spike from its neighbours.
    lone = lone[np.maximum(size[lone], level) > np.sqrt(ratio) * np.minimum(size[lone], level)]
    edge = _edges(series, size, jump_at, near_at, ratio)
    candidates = np.unique(np.concatenate((lone, edge)))
    spikes = [
        _beyond_usual(series, near_at, start, end, part, np.isin(part, edge))
        for start, end, part in zones_of(series.zone_bounds(), candidates)
    ]
    if spikes:
        found = np.concatenate(spikes)
        keep[found[series.row[found] < series.batch_rows]] = False
    found = np.flatnonzero(~keep)
    return keep, Finding(
        Reason.LOAD_SPIKE,
        series.row[found],
        value=load[found],
        limit=f"{ratio:g} times its neighbours",
        previous=_neighbour(load, near_at, found, -1),
        following=_neighbour(load, near_at, found, +1),
    )


def _edges(series: Series, size: Floats, jump_at: Integers, near_at: Flags, ratio: float) -> Integers:
    """Rows at the end of the data or beside a gap, far above the two rows on their one side.

    Only upwards: a load that stops looks the same as a lost reading until the next batch shows.
    """
    n = len(series)
    strict = EDGE_FACTOR * ratio
    open_right = np.ones(n, dtype=np.bool_)
    open_right[:-1] = ~near_at
    open_left = np.ones(n, dtype=np.bool_)
    open_left[1:] = ~near_at
    up = jump_at[size[jump_at + 1] > strict * size[jump_at]]
    last = up[open_right[up + 1] & (up >= 1)] + 1
    last = last[near_at[last - 2] & _agree(size[last - 1], size[last - 2], ratio)]
    down = jump_at[size[jump_at] > strict * size[jump_at + 1]]
    first = down[open_left[down] & (down + 2 < n)]
    first = first[near_at[first + 1] & _agree(size[first + 1], size[first + 2], ratio)]
    return np.concatenate((first, last))


def _agree(one: Floats, other: Floats, ratio: float) -> Flags:
    return np.maximum(one, other) <= ratio * np.minimum(one, other)


def _beyond_usual(
    series: Series, near_at: Flags, start: int, end: int, candidates: Integers, at_edge: Flags
) -> Integers:
    """Of the candidates of the zone `start:end`, those that stand out from its usual lone jumps."""
    if len(candidates) > max(HABITUAL_COUNT, HABITUAL_SHARE * (end - start)):
        return candidates[:0]
    if at_edge.any():
        others = np.delete(series.load_kw[start:end], candidates - start)
        value = series.load_kw[candidates]
        strange = np.abs(value) > np.abs(others).max() if len(others) else at_edge
        candidates = candidates[~at_edge | strange]
    step = max(1, (end - start - 2) // USUAL_SAMPLE) | 1  # odd, so that every hour of the day is sampled
    sample = np.setdiff1d(np.arange(start + 1, end - 1, step), candidates, assume_unique=True)
    # Next to a spike everything looks like a jump.
    sample = sample[~np.isin(sample - 1, candidates) & ~np.isin(sample + 1, candidates)]
    usual = float(np.quantile(_lone_jump(series.load_kw, near_at, sample), USUAL_QUANTILE)) if len(sample) else 0.0
    return candidates[_lone_jump(series.load_kw, near_at, candidates) > USUAL_RATIO * usual]


def _lone_jump(load: Floats, near_at: Flags, at: Integers) -> Floats:
    """How far a row lies beyond both its neighbours; zero where it lies between them."""
    before = load[at] - _neighbour(load, near_at, at, -1)
    after = load[at] - _neighbour(load, near_at, at, +1)
    # A missing neighbour does not speak against the other one.
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    lone = np.where(before * after > 0, np.minimum(np.abs(before), np.abs(after)), 0.0)
    return np.nan_to_num(lone)


def _neighbour(load: Floats, near_at: Flags, at: Integers, side: int) -> Floats:
    """Load of the row before (-1) or after (+1); NaN where it is too far away."""
    pair = at - 1 if side < 0 else at
    inside = (pair >= 0) & (pair < len(near_at))
    value = np.full(len(at), np.nan)
    known = np.flatnonzero(inside)
    known = known[near_at[pair[known]]]
    value[known] = load[at[known] + side]
    return value
