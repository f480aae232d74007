"""The baskets that have one item, as a database of their own: the root of a part of the search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smartgrid.mining.baskets import Baskets
from smartgrid.mining.bitmaps import Integers, Words, packed


@dataclass(frozen=True)
class Root:
    """An item (its `place` in rising order of support) and the items that are frequent together with it.

    partners (m,): places above `place`, rising; counts (m,): baskets with both; words (m, w): which of the baskets with
    the root have the partner.
    """

    place: int
    partners: Integers
    counts: Integers
    words: Words


class Projections:
    """Baskets in order of `place`: the frequent items numbered from the rarest to the most frequent.

    The rarest first, as in FP-Growth's tree from below: the root of a search that has many partners has few baskets.
    """

    def __init__(self, baskets: Baskets, min_support: float) -> None:
        counts = np.bincount(baskets.item, minlength=len(baskets.items)).astype(np.int64)
        self.transactions = baskets.count
        # The smallest count that is enough, by the same division in floating point as mlxtend's apriori.
        self.min_count = smallest_count(baskets.count, min_support)
        frequent = np.flatnonzero(counts >= self.min_count)
        self.item: Integers = frequent[np.argsort(counts[frequent], kind="stable")]
        self.counts: Integers = counts[self.item]
        place_of = np.full(len(baskets.items), -1, dtype=np.int32)
        place_of[self.item] = np.arange(len(self.item), dtype=np.int32)
        place = place_of[baskets.item]
        kept = place >= 0
        width = max(len(self.item), 1)
        key = baskets.basket[kept] * width + place[kept]
        key.sort(kind="stable")  # nearly in order: by basket
        basket = key // width
        # 16 bits where they are enough: half the memory to jump about in, and NumPy's stable sort is a radix sort then.
        self._place = (key - basket * width).astype(np.uint16 if width <= 1 << 16 else np.int32)
        # What follows a pair in its own basket: the partners of a root are there.
        ends = _ends(basket)
        self._tail = (ends - np.arange(len(basket)) - 1).astype(np.int32)
        del key, basket, ends
        self._by_place: Integers = np.argsort(self._place, kind="stable")
        self._start = np.concatenate([[0], np.cumsum(self.counts)])

    def root(self, place: int) -> Root:
        """The part of the search in which `place` is the rarest item."""
        pairs = self._by_place[self._start[place] : self._start[place + 1]]
        tail = self._tail[pairs].astype(np.int64)
        total = int(tail.sum())
        index = np.arange(total) + np.repeat(pairs + 1 - (np.cumsum(tail) - tail), tail)
        items = self._place[index]
        counts = np.bincount(items, minlength=len(self.item))
        partners = np.flatnonzero(counts >= self.min_count)
        if not len(partners):
            return Root(place, partners, partners, np.empty((0, 0), dtype=np.uint64))
        # Items that are no partners share one row more, which is thrown away: cheaper than picking the others out.
        row_of = np.full(len(self.item), len(partners), dtype=np.int64)
        row_of[partners] = np.arange(len(partners))
        bit = np.repeat(np.arange(len(pairs)), tail)
        words = packed(row_of[items], bit, len(partners) + 1, len(pairs))[:-1]
        return Root(place, partners, counts[partners], words)


def smallest_count(transactions: int, min_support: float) -> int:
    """The smallest count with count / transactions >= min_support."""
    count = max(int(min_support * transactions) - 1, 1)
    while count / transactions < min_support:
        count += 1
    return count


def _ends(basket: Integers) -> Integers:
    """Where the run of each element's own value ends; `basket` rises."""
    if not len(basket):
        return basket
    changes = np.flatnonzero(basket[1:] != basket[:-1]) + 1
    bounds = np.concatenate([changes, [len(basket)]])
    return np.repeat(bounds, np.diff(bounds, prepend=0))
