"""Zeros in a zone that is otherwise never near zero: a dead meter or a lost reading, not a load."""

from __future__ import annotations

import numpy as np

from smartgrid.quality.checks.reference import zone_reference, zones_of
from smartgrid.quality.finding import Finding, Flags
from smartgrid.quality.reasons import Reason
from smartgrid.quality.series import Series

# Near zero: the lowest percent of the positive readings is below this share of the median.
NEAR_ZERO_SHARE = 0.02
# A zone that is zero more often than this is switched off at times.
HABITUAL_SHARE = 0.05
HABITUAL_COUNT = 2


def zero_finding(series: Series) -> tuple[Flags, Finding]:
    """Rows of `series` that stay, and the finding."""
    keep = np.ones(len(series), dtype=np.bool_)
    limits = []
    for start, end, zeros in zones_of(series.zone_bounds(), np.flatnonzero(series.load_kw == 0.0)):
        reference = zone_reference(series, start, end)
        positive = reference[reference > 0]
        zero_count = len(reference) - len(positive)
        if zero_count > max(HABITUAL_COUNT, HABITUAL_SHARE * len(reference)) or not len(positive):
            continue
        low, median = np.quantile(positive, [0.01, 0.5])
        if low < NEAR_ZERO_SHARE * median:
            continue
        found = zeros[series.row[zeros] < series.batch_rows]
        keep[found] = False
        limits.append(np.full(len(found), low))
    limit = np.concatenate(limits) if limits else None
    return keep, Finding(Reason.LOAD_ZERO, series.row[~keep], value=0.0, limit=limit)
