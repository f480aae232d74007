"""Which pairs of rows are within eps of each other: exactly, and at the speed of a matrix product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Rounding of double precision, with room: each product and each sum of a score rounds once.
_ROUNDING = 2.0**-50


class DistanceTest:
    """The test for one set of points (n, d).

    |x - y|^2 <= eps^2 is x.y - |y|^2 / 2 >= (|x|^2 - eps^2) / 2: a matrix product and a comparison. Pairs for which
    rounding could decide are computed again as scikit-learn's trees do it: squared differences summed column by column.
    """

    def __init__(self, points: Floats, eps: float) -> None:
        self._points, self._eps_squared = points, eps * eps
        # Around the middle and in units of eps, for small numbers.
        scaled = (points - points.mean(axis=0)) / eps
        squares = np.einsum("ij,ij->i", scaled, scaled)
        columns = points.shape[1]
        self._left = np.ones((len(points), columns + 1))
        self._left[:, :-1] = scaled
        self._right = self._left.copy()
        self._right[:, -1] = -0.5 * squares
        needed = 0.5 * (squares - 1.0)
        doubt = (columns + 4) * _ROUNDING * (squares + float(squares.max(initial=0.0)) + 1.0)
        self._possible, self._sure = (needed - doubt)[:, None], (needed + doubt)[:, None]
        # Distances beyond what a square can hold: the product would be infinity minus infinity.
        self._exact_only = not np.isfinite(squares.max(initial=0.0))

    def within(self, rows: Integers | slice, others: Integers | slice) -> Flags:
        """(rows, others): which pairs of points are within eps."""
        if self._exact_only:
            return self._exact(rows, others)
        score = self._left[rows] @ self._right[others].T
        possible: Flags = score >= self._possible[rows]
        sure = score >= self._sure[rows]
        if np.count_nonzero(sure) != np.count_nonzero(possible):
            i, j = np.nonzero(possible != sure)
            x, y = self._points[rows][i], self._points[others][j]
            squares = np.zeros(len(i))
            for column in range(x.shape[1]):
                difference = x[:, column] - y[:, column]
                squares += difference * difference
            possible[i, j] = squares <= self._eps_squared
        return possible

    def _exact(self, rows: Integers | slice, others: Integers | slice) -> Flags:
        x, y = self._points[rows], self._points[others]
        squares = np.zeros((len(x), len(y)))
        with np.errstate(over="ignore"):
            for column in range(x.shape[1]):
                difference = np.subtract.outer(x[:, column], y[:, column])
                squares += difference * difference
        near: Flags = squares <= self._eps_squared
        return near
