"""Who is the neighbour of a reading, and what is the level around it."""

from __future__ import annotations

import numpy as np

from smartgrid.quality.finding import Flags, Floats, Integers
from smartgrid.quality.rules import Rules
from smartgrid.quality.series import Series

# A neighbour may be a few intervals away where readings are missing or rejected.
NEIGHBOUR_INTERVALS = 3
# The level around a reading is the median of this many readings before and after it.
LEVEL_READINGS = 3


def near_previous(series: Series, rules: Rules) -> Flags:
    """Whether row i and row i - 1 (at index i - 1 of the answer) are neighbours in the same zone."""
    near: Flags = np.diff(series.time_us) <= NEIGHBOUR_INTERVALS * rules.interval_us
    near &= series.code[1:] == series.code[:-1]
    return near


def level_around(series: Series, values: Floats, at: Integers, rules: Rules) -> Floats:
    """Median of the readings around each row of `at`, without the row. Each has a neighbour at least.

    A good reading between two wrong ones is far from both its neighbours; the level tells which of them is wrong.
    """
    around = at[:, None] + np.array([i for i in range(-LEVEL_READINGS, LEVEL_READINGS + 1) if i])
    inside = (around >= 0) & (around < len(series))
    around = np.clip(around, 0, len(series) - 1)
    reach = LEVEL_READINGS * NEIGHBOUR_INTERVALS * rules.interval_us
    inside &= np.abs(series.time_us[around] - series.time_us[at][:, None]) <= reach
    inside &= series.code[around] == series.code[at][:, None]
    level: Floats = np.nanmedian(np.where(inside, values[around], np.nan), axis=1)
    return level
