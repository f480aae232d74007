"""When a search ends before its budget does."""

from __future__ import annotations

from dataclasses import dataclass

# Generous, because trials see a sample of the rows that the bar is fitted on, and are refitted on more. A search that
# is still this far behind with half of its time gone has the wrong family of models for these data.
HOPELESS = 1.5
HOPELESS_AFTER_SHARE = 0.5
# Improvements below this are the luck of the held-out rows.
IMPROVEMENT = 0.002


@dataclass
class EarlyStopping:
    """Counts trials without improvement, and compares the best with the linear bar.

    Args:
        patience: finished trials without an improvement of at least 0.2 % that end the search.
        bar: error of the linear bar on the same held-out rows; None: unknown.
    """

    patience: int
    bar: float | None = None
    best: float = float("inf")
    since_improvement: int = 0

    def note(self, error: float | None) -> None:
        """A trial ended with this error; None: it failed."""
        if error is not None and error < self.best * (1 - IMPROVEMENT):
            self.best, self.since_improvement = error, 0
        else:
            self.since_improvement += 1

    def reason(self, used_share: float) -> str | None:
        """Why to stop now, with `used_share` of the time gone; None: go on."""
        if self.best == float("inf"):
            return None
        if self.since_improvement >= self.patience:
            return f"no improvement in {self.since_improvement} trials"
        if self.bar is not None and used_share >= HOPELESS_AFTER_SHARE and self.best > HOPELESS * self.bar:
            return f"best error {self.best:.4f} is hopelessly behind the linear bar of {self.bar:.4f}"
        return None
