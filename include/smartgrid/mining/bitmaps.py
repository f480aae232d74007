"""Which baskets have an item, as bits: counting a combination is an AND and a population count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

# Bits are set through bytes, a slice at a time: the unpacked matrix of all baskets would take 8 times the memory.
_SLICE_BYTES = 16 << 20


def packed(row: Integers, bit: Integers, rows: int, bits: int) -> Words:
    """Bitmaps (rows, words) in which bit `bit[i]` of row `row[i]` is set. `bit` rises."""
    result = np.zeros((rows, -(-bits // 64)), dtype=np.uint64)
    view = result.view(np.uint8)
    step = max(64, _SLICE_BYTES // max(rows, 1) // 64 * 64)
    for begin in range(0, bits, step):
        end = min(begin + step, bits)
        first, last = np.searchsorted(bit, (begin, end))
        dense = np.zeros((rows, end - begin), dtype=bool)
        dense[row[first:last], bit[first:last] - begin] = True
        part = np.packbits(dense, axis=1, bitorder="little")
        view[:, begin // 8 : begin // 8 + part.shape[1]] = part
    return result


def ones(words: Words) -> Integers:
    """Set bits of each row."""
    counts: Integers = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return counts


def sibling_pairs(group_end: Integers, first: int, last: int) -> tuple[Integers, Integers]:
    """(left, right) of all pairs first <= left < last, left < right < group_end[left]."""
    left = np.arange(first, last)
    later = group_end[first:last] - left - 1
    total = int(later.sum())
    begin = np.cumsum(later) - later
    lefts = np.repeat(left, later)
    rights = np.arange(total) - np.repeat(begin, later) + lefts + 1
    return lefts, rights
