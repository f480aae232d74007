"""Rows in blocks that lie together: the leaves of a k-d tree, and which of them are within eps of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.mining.errors import NeighbourhoodTooLarge

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# Pairs of near blocks that are held: 100 MB. Beyond, blocks of four times the rows, up to those whose squared distances
# take 30 MB.
_MOST_PAIRS = 2_000_000
_LARGEST_BLOCK = 2_048
# Boxes are computed in other steps than rows: a hair more than eps, so that no pair of rows is lost by rounding.
SLACK = 1.0 + 1e-9


@dataclass(frozen=True)
class Blocks:
    """points (n, d) in the order of the blocks, `order` their row numbers; block b has points start[b]:end[b].

    near[near_start[b]:near_start[b + 1]]: the blocks within eps of block b, itself first, then by distance.
    """

    points: _Floats
    order: _Integers
    start: _Integers
    end: _Integers
    near: _Integers
    near_start: _Integers

    def __len__(self) -> int:
        return len(self.start)

    def near_blocks(self, block: int) -> _Integers:
        return self.near[self.near_start[block] : self.near_start[block + 1]]


def blocks_of(values: _Floats, eps: float, rows: int) -> Blocks:
    """Blocks of `rows` to 2 x `rows` rows by scikit-learn's k-d tree; of more rows where too many blocks are near."""
    from sklearn.neighbors import KDTree

    while True:
        _, order, nodes, bounds = KDTree(values, leaf_size=rows).get_arrays()
        first_leaf = len(nodes) // 2
        near = _near_nodes(np.asarray(bounds[0]), np.asarray(bounds[1]), first_leaf, eps * eps * SLACK)
        if near is not None:
            break
        if rows >= _LARGEST_BLOCK:
            raise NeighbourhoodTooLarge(eps, len(values))
        rows *= 4
    a, b, squares = near
    a, b = a - first_leaf, b - first_leaf
    other = a != b
    one, two = np.concatenate([a, b[other]]), np.concatenate([b, a[other]])
    distance = np.concatenate([squares, squares[other]])
    # Itself before another block at distance 0 (boxes may overlap).
    distance[: len(a)][~other] = -1.0
    by_block = np.lexsort((distance, one))
    leaves = nodes[first_leaf:]
    counts = np.bincount(one, minlength=len(leaves))
    return Blocks(
        np.ascontiguousarray(values[order]),
        np.asarray(order, dtype=np.int64),
        leaves["idx_start"].astype(np.int64),
        leaves["idx_end"].astype(np.int64),
        two[by_block],
        np.concatenate([[0], np.cumsum(counts)]),
    )


def _near_nodes(
    low: _Floats, high: _Floats, first_leaf: int, limit: float
) -> tuple[_Integers, _Integers, _Floats] | None:
    """Pairs of leaves a <= b whose boxes are within the square root of `limit`, and the squared distances.

    Down the tree level by level: children of a pair of nodes are only looked at when the pair is near. None when there
    are more than _MOST_PAIRS.
    """
    a = b = np.zeros(1, dtype=np.int64)
    squares = np.zeros(1)
    while a[0] < first_leaf:
        same = a == b
        left_a, left_b = 2 * a + 1, 2 * b + 1
        # Of a node with itself: (l, l), (l, r), (r, r); (r, l) is the same pair as (l, r).
        a, b = (
            np.concatenate([left_a, left_a, left_a[~same] + 1, left_a + 1]),
            np.concatenate([left_b, left_b + 1, left_b[~same], left_b + 1]),
        )
        gap = np.maximum(low[a] - high[b], low[b] - high[a])
        np.maximum(gap, 0.0, out=gap)
        squares = np.einsum("ij,ij->i", gap, gap)
        kept = squares <= limit
        a, b, squares = a[kept], b[kept], squares[kept]
        if len(a) > _MOST_PAIRS:
            return None
    return a, b, squares
