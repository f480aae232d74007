"""Frequent itemsets level by level: Apriori (Agrawal and Srikant 1994, "Fast Algorithms for Mining Association Rules").

Two frequent itemsets that differ in their last item only join to a candidate with one item more; a candidate with a
subset that is not frequent is thrown away uncounted; the rest is counted on the bitmaps of the baskets that have the
candidate's rarest item. Then the next level.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from smartgrid.mining.bitmaps import Integers, ones, sibling_pairs
from smartgrid.mining.found_itemsets import FoundItemsets
from smartgrid.mining.itemset_table import ItemsetTable
from smartgrid.mining.projection import Projections, Root

_PIECE_BYTES = 2 << 20
_PIECE_CANDIDATES = 200_000


def search_level_wise(projections: Projections, found: FoundItemsets, max_length: int | None) -> None:
    """Put all frequent itemsets into `found`. Raises what `found` raises when a cap is reached."""
    longest = max_length or len(projections.item)
    places = np.arange(len(projections.item), dtype=np.int64)
    names = tuple(str(place) for place in places)
    levels: list[tuple[Integers, Integers]] = [(places[:, None], projections.counts)]
    found.add(places[:, None].astype(np.int32), projections.counts)
    if longest < 2:
        return
    kept = _KeptRoots(projections, found.limits.memory_mb * 1_000_000 // 4)
    members, counts = [], []
    for place in places.tolist():
        found.check(kept.bytes)
        root = kept.root(place)
        if len(root.partners):
            members.append(np.column_stack([np.full(len(root.partners), place), root.partners]))
            counts.append(root.counts)
            found.add(members[-1].astype(np.int32), root.counts)
    while members:
        levels.append((np.concatenate(members), np.concatenate(counts)))
        if len(levels) >= longest:
            return
        # Places rise from root to root, so the rows are in the order of the table.
        table = ItemsetTable.of_levels(names, projections.transactions, levels)
        members, counts = [], []
        for candidates in _candidates(table):
            found.check(kept.bytes + candidates.nbytes)
            number = _counted(candidates, kept)
            frequent = number >= projections.min_count
            if frequent.any():
                members.append(candidates[frequent])
                counts.append(number[frequent])
                found.add(members[-1].astype(np.int32), counts[-1])


def _candidates(table: ItemsetTable) -> Iterator[Integers]:
    """Joined and pruned candidates (m, k + 1), in lexicographic order, in pieces."""
    level = table.levels[-1]
    rows, size = level.members.shape
    parents = level.keys // max(len(table.names), 1)
    bounds = np.flatnonzero(parents[1:] != parents[:-1]) + 1
    ends = np.concatenate([bounds, [rows]])
    group_end = np.repeat(ends, np.diff(ends, prepend=0))
    joined = np.cumsum(group_end - np.arange(rows) - 1)
    begin = 0
    while begin < rows:
        before = int(joined[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(joined, before + _PIECE_CANDIDATES, side="right")))
        left, right = sibling_pairs(group_end, begin, end)
        begin = end
        candidates = np.column_stack([level.members[left], level.members[right, -1]])
        # The two subsets that were joined are frequent; the others leave out one of the first k - 1 items.
        for left_out in range(size - 1):
            places = np.arange(size + 1)
            candidates = candidates[table.find(candidates[:, places != left_out]) >= 0]
        if len(candidates):
            yield candidates


def _counted(candidates: Integers, kept: _KeptRoots) -> Integers:
    """Baskets that have all items of each candidate; candidates of one root are next to each other."""
    counts = np.zeros(len(candidates), dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(candidates[:, 0])) + 1, [len(candidates)]])
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        root = kept.root(int(candidates[first, 0]))
        rows = np.searchsorted(root.partners, candidates[first:last, 1:])
        step = max(1, _PIECE_BYTES // (root.words.shape[1] * 8))
        for begin in range(0, len(rows), step):
            piece = rows[begin : begin + step]
            words = root.words[piece[:, 0]]
            for column in range(1, piece.shape[1]):
                words &= root.words[piece[:, column]]
            counts[first + begin : first + begin + len(piece)] = ones(words)
    return counts


class _KeptRoots:
    """The roots, kept from level to level as far as memory allows and made anew beyond."""

    def __init__(self, projections: Projections, most_bytes: int) -> None:
        self._projections, self._most_bytes = projections, most_bytes
        self._roots: dict[int, Root] = {}
        self.bytes = 0

    def root(self, place: int) -> Root:
        root = self._roots.get(place)
        if root is None:
            root = self._projections.root(place)
            if self.bytes + root.words.nbytes <= self._most_bytes:
                self._roots[place] = root
                self.bytes += root.words.nbytes
        return root
