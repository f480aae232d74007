"""The same reading for hours: a stuck meter. The first of a run may be true and stays; the repeats do not."""

from __future__ import annotations

import numpy as np

from smartgrid.quality.checks.reference import zones_of
from smartgrid.quality.finding import Finding, Flags
from smartgrid.quality.reasons import Reason
from smartgrid.quality.rules import Rules
from smartgrid.quality.series import Series

# In a zone with coarse readings equal neighbours are common and prove nothing.
COARSE_PAIR_SHARE = 0.05
# A load that often rests at a level for hours is operated so; a stuck meter is an exception.
HABITUAL_RUNS = 3
READINGS_PER_HABITUAL_RUN = 300
# Across a gap (the repeats of yesterday are in quarantine) equal readings belong together from this many on.
LEAST_READINGS_ACROSS_GAP = 3


def flat_line_finding(series: Series, rules: Rules) -> tuple[Flags, Finding]:
    """Rows of `series` that stay, and the finding."""
    keep = np.ones(len(series), dtype=np.bool_)
    nothing = Finding(Reason.FLAT_LINE, np.empty(0, dtype=np.int64))
    # `equal[i]`: row i repeats row i - 1.
    equal = np.flatnonzero(series.load_kw[1:] == series.load_kw[:-1]) + 1
    equal = equal[(series.code[equal] == series.code[equal - 1]) & (series.load_kw[equal] != 0.0)]
    if not len(equal):
        return keep, nothing
    cuts = np.flatnonzero(np.diff(equal) > 1)
    first = equal[np.concatenate(([0], cuts + 1))] - 1
    last = equal[np.concatenate((cuts, [len(equal) - 1]))]
    readings = last - first + 1
    span = (series.time_us[last] - series.time_us[first]) // rules.interval_us + 1
    need = rules.flat_line_readings
    flat = (readings >= need) | ((span >= need) & (readings >= max(LEAST_READINGS_ACROSS_GAP, need // 2)))
    bounds = series.zone_bounds()
    rows, values, runs = [], [], []
    for start, end, run_starts in zones_of(bounds, first[flat]):
        run = np.flatnonzero(flat)[np.searchsorted(first[flat], run_starts)]
        repeats = int((readings[run] - 1).sum())
        pairs = int(np.searchsorted(equal, end) - np.searchsorted(equal, start))
        if _habitual(end - start, pairs, repeats, len(run)):
            continue
        for index in run:
            repeated = np.arange(first[index] + 1, last[index] + 1)
            repeated = repeated[series.row[repeated] < series.batch_rows]
            keep[repeated] = False
            rows.append(series.row[repeated])
            values.append(series.load_kw[repeated])
            runs.append(np.full(len(repeated), f"{readings[index]} equal readings", dtype=object))
    if not rows:
        return keep, nothing
    return keep, Finding(
        Reason.FLAT_LINE,
        np.concatenate(rows),
        value=np.concatenate(values),
        limit=f"{need} readings",
        note=np.concatenate(runs),
    )


def _habitual(zone_rows: int, equal_pairs: int, repeats: int, runs: int) -> bool:
    coarse = equal_pairs - repeats > COARSE_PAIR_SHARE * max(1, zone_rows - 1 - repeats)
    return coarse or runs > max(HABITUAL_RUNS, zone_rows / READINGS_PER_HABITUAL_RUN)
