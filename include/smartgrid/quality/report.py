"""What validating one batch came to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from smartgrid.quality.checkpoint import Verdict

# Counted as a reason of rejection where a whole batch is stopped.
WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Report:
    """Counts, findings and where to read more."""

    batch_id: str
    ingested: int
    accepted: int
    rejected: int
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    expectations: list[dict[str, Any]] = field(default_factory=list)
    data_docs: str | None = None
    quarantine_uri: str | None = None
    passed: bool = True

    def judged(self, verdict: Verdict) -> Report:
        """With the verdict of Great Expectations."""
        found = [{"code": "expectation", "message": f"{name} failed", "expectation": name} for name in verdict.warnings]
        return replace(
            self,
            expectations=verdict.expectations,
            data_docs=verdict.data_docs,
            warnings=[*self.warnings, *found],
        )

    def stopped(self, cause: str) -> Report:
        """Nothing of a stopped batch is accepted: rows that would have been are withheld, and stay in landing."""
        warning = {"code": "stopped", "message": f"stopped: {cause}"}
        withheld = self.ingested - self.rejected
        return replace(
            self,
            accepted=0,
            rejected=self.ingested,
            reasons={**self.reasons, WITHHELD: withheld} if withheld else self.reasons,
            passed=False,
            warnings=[warning, *self.warnings],
        )

    def summary(self) -> dict[str, Any]:
        """The entry of the step's result."""
        return {
            "batch_id": self.batch_id,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "passed": self.passed,
            "reasons": self.reasons,
        }
