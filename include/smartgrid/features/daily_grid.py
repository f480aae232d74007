"""Readings of one zone as a matrix: a row a local day, a column a slot of the day.

Lags then are index arithmetic, and a lag of one day means the same local hour also when clocks change: the hour that
a 23-hour day lacks is filled like any missing reading, the two equal hours of a 25-hour day are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DailyGrid:
    """`values` has shape (days, slots); NaN is missing. `first_day` counts days since 1970-01-01.

    `known_after_days` holds, for each cell, how many local midnights after the end of its day pass before the reading
    is known: 0 for a reading that came in time.
    """

    first_day: int
    values: Floats
    known_after_days: Ints | None = None

    @classmethod
    def build(
        cls,
        days: Ints,
        slots: Ints,
        values: Floats,
        first_day: int,
        n_days: int,
        n_slots: int,
        known_after_days: Ints | None = None,
    ) -> DailyGrid:
        """Place readings; several readings of one cell are averaged."""
        row = days - first_day
        keep = (row >= 0) & (row < n_days) & ~np.isnan(values)
        cell = row[keep] * n_slots + slots[keep]
        size = n_days * n_slots
        count = np.bincount(cell, minlength=size)
        total = np.bincount(cell, weights=values[keep], minlength=size)
        with np.errstate(invalid="ignore"):
            grid = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(n_days, n_slots)
        late: Ints | None = None
        if known_after_days is not None and bool((known_after_days[keep] > 0).any()):
            flat = np.zeros(size, dtype=np.int64)
            np.maximum.at(flat, cell, known_after_days[keep])
            late = flat.reshape(n_days, n_slots)
        return cls(first_day, grid, late)

    def filled(self) -> Floats:
        """Values with gaps filled from the past only: the same slot a week before, else a day before."""
        values = self.values.copy()
        missing = np.isnan(values)
        for day in np.flatnonzero(missing.any(axis=1)):
            for back in (7, 1):
                if day >= back:
                    gap = np.isnan(values[day])
                    values[day, gap] = values[day - back, gap]
        return values

    def as_known(self, at_day: int) -> DailyGrid:
        """What was known at the local midnight that starts `at_day` (index in the grid)."""
        if self.known_after_days is None:
            return self
        row = np.arange(self.values.shape[0])[:, None]
        unknown = row + 1 + self.known_after_days > at_day
        return DailyGrid(self.first_day, np.where(unknown, np.nan, self.values))
