"""How much one mining call may take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from smartgrid.mining.errors import ParameterOutOfRange, TimeLimitReached


@dataclass(frozen=True)
class MiningLimits:
    """Caps of one call. What each one protects from is said in docs/mining.md.

    `on_limit` decides what happens when a search for itemsets reaches `time_limit_s`, `memory_mb` or `max_itemsets`:
    "partial" returns what was found, marked as partial; "error" raises. Clusterings have no partial result: they raise.
    """

    time_limit_s: float | None = None
    memory_mb: int = 4096
    max_itemsets: int = 1_000_000
    max_rules: int = 1_000_000
    max_basket_items: int = 1_000
    max_candidate_pairs: int = 10_000_000
    max_rows: int = 20_000_000
    max_columns: int = 10_000
    on_limit: Literal["partial", "error"] = "partial"

    def __post_init__(self) -> None:
        for name in (
            "memory_mb",
            "max_itemsets",
            "max_rules",
            "max_basket_items",
            "max_candidate_pairs",
            "max_rows",
            "max_columns",
        ):
            if getattr(self, name) < 1:
                raise ParameterOutOfRange(name, getattr(self, name), "at least 1")
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ParameterOutOfRange("time_limit_s", self.time_limit_s, "above 0")


@dataclass(frozen=True)
class Deadline:
    """When a call has to end; made at its start."""

    limit_s: float | None
    began_s: float = field(default_factory=time.monotonic)

    def passed(self) -> bool:
        return self.limit_s is not None and time.monotonic() - self.began_s >= self.limit_s

    def check(self, doing: str) -> None:
        """Raise TimeLimitReached when the time is over."""
        if self.limit_s is not None and self.passed():
            raise TimeLimitReached(self.limit_s, doing)
