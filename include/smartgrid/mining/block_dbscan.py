"""Exact DBSCAN in bounded memory: neighbours are counted block by block and never listed.

The labels are scikit-learn's: core rows have min_samples rows within eps (themselves included), clusters are the
connected core rows, numbered by their first core row, and a border row takes the lowest label among its core
neighbours. The way there differs: a row is done as soon as it has enough neighbours, and two blocks whose core rows are
in one cluster already are not compared at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from smartgrid.mining.blocks import SLACK, Blocks, blocks_of
from smartgrid.mining.distance_test import DistanceTest
from smartgrid.mining.errors import MemoryLimitReached
from smartgrid.mining.limits import Deadline

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]

# Rows of the smallest block, and pairs of rows that are tested at once.
BLOCK_ROWS = 128
_PAIRS = 1 << 20


def block_dbscan(
    values: _Floats, eps: float, min_samples: int, deadline: Deadline, memory_mb: int = 4096
) -> tuple[_Integers, _Flags]:
    """(labels, core) of the rows of `values` (n, d). Raises MemoryLimitReached, TimeLimitReached."""
    blocks = blocks_of(values, eps, BLOCK_ROWS)
    test = DistanceTest(blocks.points, eps)
    core, border, neighbour = core_rows(blocks, test, min_samples, deadline, memory_mb)
    cluster = connected_cores(blocks, test, core, eps, deadline)
    labels = np.full(len(values), -1, dtype=np.int64)
    is_core = np.zeros(len(values), dtype=bool)
    is_core[blocks.order] = core
    at = np.flatnonzero(core)
    if len(at):
        # Numbered by the first core row of each.
        first = np.full(int(cluster.max()) + 1, len(values), dtype=np.int64)
        np.minimum.at(first, cluster[at], blocks.order[at])
        number = np.empty(len(first), dtype=np.int64)
        number[np.argsort(first, kind="stable")] = np.arange(len(first))
        by_point = np.full(len(values), len(first), dtype=np.int64)
        by_point[at] = number[cluster[at]]
        to_core = core[neighbour]
        np.minimum.at(by_point, border[to_core], by_point[neighbour[to_core]])
        by_point[by_point == len(first)] = -1
        labels[blocks.order] = by_point
    return labels, is_core


def core_rows(
    blocks: Blocks, test: DistanceTest, min_samples: int, deadline: Deadline, memory_mb: int
) -> tuple[_Flags, _Integers, _Integers]:
    """Which points (in block order) are core; for the others, each pair (point, neighbour): fewer than min_samples."""
    core = np.zeros(len(blocks.points), dtype=bool)
    pairs: list[tuple[_Integers, _Integers]] = []
    held_mb = 0.0
    for block in range(len(blocks)):
        deadline.check("counting neighbours")
        begin, end = int(blocks.start[block]), int(blocks.end[block])
        open_rows = np.arange(begin, end)
        counts = np.zeros(end - begin, dtype=np.int64)
        own: list[tuple[_Integers, _Integers]] = []
        for others in _pieces(blocks, block, len(open_rows)):
            near = test.within(open_rows, others)
            counts += _row_counts(near)
            short = counts < min_samples
            if not short.all():
                core[open_rows[~short]] = True
                open_rows, counts, near = open_rows[short], counts[short], near[short]
                if not len(open_rows):
                    break
            i, j = np.nonzero(near)
            own.append((open_rows[i], others[j]))
        if len(open_rows) and own:
            points, others = (np.concatenate(part) for part in zip(*own, strict=True))
            left = ~core[points]
            pairs.append((points[left], others[left]))
            held_mb += int(left.sum()) * 16e-6
            # They are joined to one array each later, which doubles them.
            if 2 * held_mb > memory_mb:
                raise MemoryLimitReached(
                    2 * held_mb, memory_mb, f"the neighbours of border rows (min_samples {min_samples})"
                )
    nothing = np.empty(0, dtype=np.int64)
    points, others = (np.concatenate(part) for part in zip((nothing, nothing), *pairs, strict=True))
    return core, points, others


def _pieces(blocks: Blocks, block: int, rows: int) -> Iterator[_Integers]:
    """The points of the near blocks: its own, then the nearest few, then more and more at once."""
    near = blocks.near_blocks(block)
    begin, size = 0, 1
    while begin < len(near):
        some = near[begin : begin + size].tolist()
        yield np.concatenate([np.arange(blocks.start[one], blocks.end[one]) for one in some])
        begin += size
        size = min(2 * size, max(1, _PAIRS // (rows * 2 * BLOCK_ROWS)))


def _row_counts(flags: _Flags) -> _Integers:
    """Set flags of each row; through bits, a tenth of the time of a sum."""
    counts: _Integers = np.bitwise_count(np.packbits(flags, axis=1)).sum(axis=1, dtype=np.int64)
    return counts


def connected_cores(blocks: Blocks, test: DistanceTest, core: _Flags, eps: float, deadline: Deadline) -> _Integers:
    """A number for each point, the same for connected core points; -1 where not core."""
    points = blocks.points
    cluster = np.full(len(points), -1, dtype=np.int64)
    rows: list[_Integers] = []
    parts_of: list[range] = []
    parts = 0
    # The boxes of the core points alone: smaller than those of the blocks.
    low = np.full((len(blocks), points.shape[1]), np.inf)
    high = -low
    for block in range(len(blocks)):
        deadline.check("joining core rows")
        begin = int(blocks.start[block])
        own = np.flatnonzero(core[begin : blocks.end[block]]) + begin
        rows.append(own)
        before = parts
        if len(own):
            number = _connected(test.within(own, own))
            cluster[own] = number + parts
            parts += int(number.max()) + 1
            low[block], high[block] = points[own].min(axis=0), points[own].max(axis=0)
        parts_of.append(range(before, parts))
    parent = list(range(parts))

    def root(part: int) -> int:
        while parent[part] != part:
            parent[part] = parent[parent[part]]
            part = parent[part]
        return part

    limit = eps * eps * SLACK
    for block in range(len(blocks)):
        deadline.check("joining clusters")
        if not len(rows[block]):
            continue
        near = blocks.near_blocks(block)
        near = near[near > block]
        gap = np.maximum(np.maximum(low[block] - high[near], low[near] - high[block]), 0.0)
        for other in near[np.einsum("ij,ij->i", gap, gap) <= limit].tolist():
            roots = {root(part) for part in parts_of[block]}
            roots.update([root(part) for part in parts_of[other]])
            if len(roots) == 1:
                continue
            mine = _near_box(points, rows[block], low[other], high[other], limit)
            theirs = _near_box(points, rows[other], low[block], high[block], limit)
            if not len(mine) or not len(theirs):
                continue
            near_rows = test.within(mine, theirs)
            if len(roots) == 2 and len(parts_of[block]) == len(parts_of[other]) == 1:
                joined = [(parts_of[block][0], parts_of[other][0])] if near_rows.any() else []
            else:
                i, j = np.nonzero(near_rows)
                pairs = np.unique(cluster[mine[i]] * parts + cluster[theirs[j]])
                joined = [(pair // parts, pair % parts) for pair in pairs.tolist()]
            for one_part, other_part in joined:
                one, two = root(one_part), root(other_part)
                if one != two:
                    parent[max(one, two)] = min(one, two)
    if parts:
        numbered: _Integers = np.unique([root(part) for part in range(parts)], return_inverse=True)[1]
        at = np.flatnonzero(core)
        cluster[at] = numbered[cluster[at]]
    return cluster


def _near_box(points: _Floats, rows: _Integers, low: _Floats, high: _Floats, limit: float) -> _Integers:
    """Those of `rows` whose squared distance from the box is at most `limit`."""
    own = points[rows]
    gap = np.maximum(np.maximum(low - own, own - high), 0.0)
    near: _Integers = rows[np.einsum("ij,ij->i", gap, gap) <= limit]
    return near


def _connected(near: _Flags) -> _Integers:
    """Connected parts of a symmetric relation, numbered from 0: whole wavefronts at a time."""
    number = np.full(len(near), -1, dtype=np.int64)
    parts = 0
    left = np.arange(len(near))
    # As bits: a wavefront is an OR of rows, and an eighth of the bytes.
    bits = np.packbits(near, axis=1)
    while len(left):
        reached = bits[left[0]]
        front = near[left[0]].nonzero()[0]
        while len(front):
            more = np.bitwise_or.reduce(bits[front], axis=0) & ~reached
            reached = reached | more
            front = np.unpackbits(more).nonzero()[0]
        number[np.unpackbits(reached, count=len(near)).view(bool)] = parts
        parts += 1
        left = (number < 0).nonzero()[0]
    return number
