"""Frequent itemsets as arrays: a trie, level by level, so that any subset is found without a hash of tuples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from smartgrid.mining.results import Itemset

_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """The itemsets of one size k: members (m, k), item numbers rising in a row, rows in lexicographic order.

    keys (m,): number of the parent (the row of its first k - 1 items in the level before) * items + its last item; they
    rise, so that a child is found by bisection.
    """

    members: _Integers
    counts: _Integers
    keys: _Integers


@dataclass(frozen=True)
class ItemsetTable:
    """All frequent itemsets of `names`; `levels[k - 1]` has those of k items. Every subset of an itemset is there."""

    names: tuple[str, ...]
    transactions: int
    levels: tuple[Level, ...]

    def __len__(self) -> int:
        return sum(len(level.counts) for level in self.levels)

    @classmethod
    def of_levels(
        cls, names: tuple[str, ...], transactions: int, found: Sequence[tuple[_Integers, _Integers]]
    ) -> ItemsetTable:
        """From (members, counts) of each size in any order, members rising within a row."""
        levels: list[Level] = []
        width = max(len(names), 1)
        for members, counts in found:
            if not len(counts):
                break
            order = np.lexsort(members.T[::-1])
            members, counts = members[order], counts[order]
            parents = cls(names, transactions, tuple(levels)).find(members[:, :-1]) if levels else np.zeros(1, np.int64)
            levels.append(Level(members, counts, parents * width + members[:, -1]))
        return cls(names, transactions, tuple(levels))

    def find(self, members: _Integers) -> _Integers:
        """Row of each itemset (rows of `members`, items rising) in its level; -1 where it is not frequent."""
        node = np.zeros(len(members), dtype=np.int64)
        for depth in range(members.shape[1]):
            node = self.child(depth, node, members[:, depth])
        return node

    def child(self, depth: int, node: _Integers, item: _Integers) -> _Integers:
        """The row in level `depth` of parent rows `node` extended by `item`; -1 where there is none."""
        if depth >= len(self.levels):
            return np.full(len(node), -1, dtype=np.int64)
        keys = self.levels[depth].keys
        wanted = node * max(len(self.names), 1) + item
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where((keys[place] == wanted) & (node >= 0), place, -1)

    @cached_property
    def subset_rows(self) -> tuple[_Integers, ...]:
        """For each level of size k > 1, rows (m, k) of its subsets without item i in the level before."""
        rows = []
        for size, level in enumerate(self.levels[1:], start=2):
            columns = np.arange(size)
            rows.append(
                np.stack([self.find(level.members[:, columns != left_out]) for left_out in range(size)], axis=1)
            )
        return tuple(rows)

    @cached_property
    def closed(self) -> tuple[_Flags, ...]:
        """By level: no itemset with one item more has the same count."""
        flags = [np.ones(len(level.counts), dtype=bool) for level in self.levels]
        for number, rows in enumerate(self.subset_rows):
            same = self.levels[number].counts[rows] == self.levels[number + 1].counts[:, None]
            flags[number][rows[same]] = False
        return tuple(flags)

    @cached_property
    def maximal(self) -> tuple[_Flags, ...]:
        """By level: no itemset with one item more is frequent."""
        flags = [np.ones(len(level.counts), dtype=bool) for level in self.levels]
        for number, rows in enumerate(self.subset_rows):
            flags[number][rows.ravel()] = False
        return tuple(flags)

    def itemsets(self) -> list[Itemset]:
        """By size, then by count from large to small, then by name (names are sorted, so numbers stand for them)."""
        result: list[Itemset] = []
        for level, closed, maximal in zip(self.levels, self.closed, self.maximal, strict=True):
            order = np.argsort(-level.counts, kind="stable")
            rows = zip(
                level.members[order].tolist(),
                (level.counts[order] / self.transactions).tolist(),
                level.counts[order].tolist(),
                closed[order].tolist(),
                maximal[order].tolist(),
                strict=True,
            )
            result.extend(
                Itemset(tuple(self.names[item] for item in members), support, count, is_closed, is_maximal)
                for members, support, count, is_closed, is_maximal in rows
            )
        return result
