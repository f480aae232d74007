"""What a zone normally reads: its accepted history where there is enough of it, else the batch itself."""

from __future__ import annotations

import numpy as np

from smartgrid.quality.finding import Floats, Integers
from smartgrid.quality.series import Series

# Two days of hours: less history than that says little about a zone.
ENOUGH_HISTORY = 48


def zone_reference(series: Series, start: int, end: int) -> Floats:
    """Absolute loads of the zone `start:end` to compare with. History is free of the errors of this batch."""
    load = np.abs(series.load_kw[start:end])
    history = series.row[start:end] >= series.batch_rows
    return load[history] if np.count_nonzero(history) >= ENOUGH_HISTORY else load


def zones_of(bounds: Integers, positions: Integers) -> list[tuple[int, int, Integers]]:
    """Group sorted `positions` by zone: (start, end, positions inside)."""
    if not len(positions):
        return []
    zone = np.searchsorted(bounds, positions, side="right") - 1
    cuts = np.flatnonzero(np.diff(zone)) + 1
    return [
        (int(bounds[z]), int(bounds[z + 1]), part)
        for part, z in zip(np.split(positions, cuts), zone[np.concatenate(([0], cuts))], strict=True)
    ]
