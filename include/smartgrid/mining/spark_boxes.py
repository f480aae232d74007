"""Boxes that cut the rows of a matrix into parts of similar size: the leaves of a k-d tree of a sample.

Every row is in exactly one box (the outer ones have no outer wall), so that any sample gives a correct partition; a
good one gives an even partition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.mining.blocks import SLACK

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# A box that is not wider than this many eps shares nearly all of its rows with its neighbours: it is not cut.
_NARROWEST_EPS = 8.0


@dataclass(frozen=True)
class Boxes:
    """low, high (boxes, d), with infinities at the outside. A row is in the box with low <= x < high."""

    low: _Floats
    high: _Floats

    def __len__(self) -> int:
        return len(self.low)

    def within(self, x: _Floats, box: int, distance: float) -> npt.NDArray[np.bool_]:
        """Which rows are in the box, or at most `distance` away from it (a hair more, for the rounding)."""
        squares = np.zeros(len(x))
        for column in np.flatnonzero(np.isfinite(self.low[box]) | np.isfinite(self.high[box])).tolist():
            gap = np.maximum(self.low[box, column] - x[:, column], x[:, column] - self.high[box, column])
            np.maximum(gap, 0.0, out=gap)
            squares += gap * gap
        near: npt.NDArray[np.bool_] = squares <= distance * distance * SLACK
        return near

    def holds(self, x: _Floats, box: int) -> npt.NDArray[np.bool_]:
        """Which rows are in the box itself."""
        inside: npt.NDArray[np.bool_] = ((x >= self.low[box]) & (x < self.high[box])).all(axis=1)
        return inside


def boxes_of(sample: _Floats, eps: float, parts: int) -> Boxes:
    """At most about `parts` boxes (a power of two) by cutting the widest column of each at the sample's median."""
    width = sample.shape[1]
    done: list[tuple[_Floats, _Floats]] = []
    open_boxes = [(np.full(width, -np.inf), np.full(width, np.inf), sample, 1)]
    while open_boxes:
        low, high, rows, share = open_boxes.pop()
        cut = _cut(rows, eps) if share < parts else None
        if cut is None:
            done.append((low, high))
            continue
        column, wall = cut
        left_high, right_low = high.copy(), low.copy()
        left_high[column] = right_low[column] = wall
        left = rows[:, column] < wall
        open_boxes.append((low, left_high, rows[left], 2 * share))
        open_boxes.append((right_low, high, rows[~left], 2 * share))
    return Boxes(np.stack([low for low, _ in done]), np.stack([high for _, high in done]))


def _cut(rows: _Floats, eps: float) -> tuple[int, float] | None:
    """(column, where) to cut, None where it is not worth it."""
    if len(rows) < 4:
        return None
    # Quantiles and not the range: a few rows far out make a column look wide.
    low, wall, high = np.quantile(rows, [0.05, 0.5, 0.95], axis=0)
    column = int((high - low).argmax())
    if high[column] - low[column] < _NARROWEST_EPS * eps or not (rows[:, column] < wall[column]).any():
        return None
    return column, float(wall[column])
