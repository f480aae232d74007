"""What a candidate costs, which decides where errors are equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smartgrid.evaluation.gate_policy import Ties


@dataclass(frozen=True, slots=True)
class Cost:
    """What a candidate costs: megabytes on the server, milliseconds a row, CPU seconds to train. None: not measured."""

    size_mb: float | None = None
    ms_per_row: float | None = None
    cpu_s: float | None = None

    def over(self, ties: Ties) -> str:
        """Why the candidate loses every tie; empty: it does not."""
        if self.size_mb is not None and self.size_mb > ties.max_size_mb:
            return f"{self.size_mb:.0f} MB, over {ties.max_size_mb:g} MB"
        if self.ms_per_row is not None and self.ms_per_row > ties.max_ms_per_row:
            return f"{self.ms_per_row:.1f} ms a row, over {ties.max_ms_per_row:g} ms"
        return ""

    def cheaper_than(self, other: Cost, ties: Ties) -> bool:
        """Whether this one wins a tie: the other is too big or slow, or takes clearly more CPU seconds."""
        if bool(self.over(ties)) != bool(other.over(ties)):
            return bool(other.over(ties))
        if self.cpu_s is None or other.cpu_s is None:
            return False
        return self.cpu_s < other.cpu_s * (1 - ties.cheaper_by_percent / 100)

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(None if a is None or b is None else a + b for a, b in zip(self.parts, other.parts, strict=True)))

    @property
    def parts(self) -> tuple[float | None, float | None, float | None]:
        return self.size_mb, self.ms_per_row, self.cpu_s


def cost_of(outcome: dict[str, Any]) -> Cost:
    """What a candidate costs, from its candidate.json."""
    export = outcome.get("export") or {}
    return Cost(export.get("size_mb"), export.get("ms_per_row"), outcome.get("cpu_s"))
