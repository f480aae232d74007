"""Where a search puts what it finds, and the caps that may end it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.mining.errors import ItemsetLimitReached, MemoryLimitReached
from smartgrid.mining.limits import Deadline, MiningLimits

_Integers = npt.NDArray[np.int64]


class SearchEnded(Exception):
    """A cap is reached and a partial result is wanted."""


class FoundItemsets:
    """Itemsets by size, as arrays of places. `partial_reason` is set when a cap ended the search."""

    def __init__(self, limits: MiningLimits, deadline: Deadline) -> None:
        self.limits, self.deadline = limits, deadline
        self.partial_reason: str | None = None
        self._members: dict[int, list[npt.NDArray[np.int32]]] = {}
        self._counts: dict[int, list[_Integers]] = {}
        self._number = 0
        self._bytes = 0

    def add(self, members: npt.NDArray[np.int32], counts: _Integers) -> None:
        """Rows of one size; raises SearchEnded at the cap, after keeping as many as are allowed."""
        room = self.limits.max_itemsets - self._number
        kept = min(len(counts), room)
        if kept:
            size = members.shape[1]
            self._members.setdefault(size, []).append(members[:kept])
            self._counts.setdefault(size, []).append(counts[:kept])
            self._number += kept
            self._bytes += kept * (4 * size + 8)
        if len(counts) > room:
            if self.limits.on_limit == "error":
                raise ItemsetLimitReached(self.limits.max_itemsets, self._number)
            self._end(f"max_itemsets: {self.limits.max_itemsets:,} itemsets were found")

    def check(self, working_bytes: int) -> None:
        """Between two pieces of work: time and memory. `working_bytes`: what the search itself holds."""
        if self.deadline.passed():
            if self.limits.on_limit == "error":
                self.deadline.check(f"searching itemsets ({self._number:,} found)")
            self._end(f"time_limit_s: {self.deadline.limit_s:g} s were over")
        # Tables, closed and maximal flags are made of the rows later: five times their size.
        needed_mb = (working_bytes + 5 * self._bytes) / 1e6
        if needed_mb > self.limits.memory_mb:
            if self.limits.on_limit == "error":
                raise MemoryLimitReached(needed_mb, self.limits.memory_mb, "searching itemsets")
            self._end(f"memory_mb: {self.limits.memory_mb:,} MB were in use")

    def _end(self, reason: str) -> None:
        self.partial_reason = reason
        raise SearchEnded

    def levels(self) -> list[tuple[_Integers, _Integers]]:
        """(members, counts) of each size from 1 up."""
        return [
            (
                np.concatenate(self._members[size]).astype(np.int64),
                np.concatenate(self._counts[size]).astype(np.int64),
            )
            for size in sorted(self._members)
        ]
