"""Frequent itemsets by a depth-first search over bitmaps: FP-Growth's result.

Each frequent item in turn is the root of a search in the baskets that have it (FP-Growth's conditional database), held
as bitmaps of its partners instead of a tree of pointers. Itemsets with the same prefix are siblings; two siblings join
to a candidate, whose count is the population count of the AND of their bitmaps (Zaki 2000, "Scalable Algorithms for
Association Mining", Eclat), many candidates in one array operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.mining.bitmaps import Integers, Words, ones, sibling_pairs
from smartgrid.mining.found_itemsets import FoundItemsets
from smartgrid.mining.projection import Projections

# Candidates are counted in pieces of about this size: what fits the cache of one core.
_PIECE_BYTES = 2 << 20


@dataclass(frozen=True)
class _Siblings:
    """Itemsets of one size: members (m, k) as places, their bitmaps, and where the siblings of each row end."""

    members: npt.NDArray[np.int32]
    words: Words
    group_end: Integers


def search_depth_first(projections: Projections, found: FoundItemsets, max_length: int | None) -> None:
    """Put all frequent itemsets into `found`. Raises what `found` raises when a cap is reached."""
    longest = max_length or len(projections.item)
    places = np.arange(len(projections.item), dtype=np.int32)
    found.add(places[:, None], projections.counts)
    if longest < 2:
        return
    # From the last root and the last sibling backwards: all subsets of an itemset are found before it, and a search
    # that a cap ends leaves no itemset without its subsets.
    for place in places[:-1][::-1].tolist():
        root = projections.root(place)
        if not len(root.partners):
            continue
        members = np.column_stack([np.full(len(root.partners), place), root.partners]).astype(np.int32)
        found.add(members, root.counts)
        first = _Siblings(members, root.words, np.full(len(members), len(members)))
        held = root.words.nbytes
        stack: list[tuple[Iterator[_Siblings], int]] = [(_extended(first, projections.min_count, found, longest), held)]
        while stack:
            found.check(held)
            siblings = next(stack[-1][0], None)
            if siblings is None:
                held -= stack.pop()[1]
                continue
            held += siblings.words.nbytes
            stack.append((_extended(siblings, projections.min_count, found, longest), siblings.words.nbytes))


def _extended(siblings: _Siblings, min_count: int, found: FoundItemsets, longest: int) -> Iterator[_Siblings]:
    """The frequent itemsets with one item more, piece by piece; those that have siblings are given back."""
    rows, size = siblings.members.shape
    if size >= longest:
        return
    later = siblings.group_end - np.arange(rows) - 1
    begins = np.concatenate([[0], np.cumsum(later)])
    per_piece = max(1, _PIECE_BYTES // (siblings.words.shape[1] * 8))
    end = rows
    while end > 0:
        begin = min(end - 1, int(np.searchsorted(begins, begins[end] - per_piece)))
        left, right = sibling_pairs(siblings.group_end, begin, end)
        end = begin
        if not len(left):
            continue
        words = siblings.words[left]
        words &= siblings.words[right]
        counts = ones(words)
        frequent = np.flatnonzero(counts >= min_count)
        if not len(frequent):
            continue
        left = left[frequent]
        members = np.column_stack([siblings.members[left], siblings.members[right[frequent], -1]])
        found.add(members, counts[frequent])
        bounds = np.flatnonzero(left[1:] != left[:-1]) + 1
        group_end = np.concatenate([bounds, [len(left)]])
        group_end = np.repeat(group_end, np.diff(group_end, prepend=0))
        # Rows without a later sibling are done, but they are siblings of those before them.
        if (group_end - np.arange(len(left)) > 1).any():
            yield _Siblings(members, words[frequent], group_end)
