"""Failures that a caller of the API causes."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class UnknownZone(SmartGridError):
    """No measurements of this zone exist."""

    exit_code = 2

    def __init__(self, zone: str, known: list[str]) -> None:
        self.zone, self.known = zone, known
        shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "") if known else "none yet"
        super().__init__(f"No zone {zone!r}. Zones: {shown}.")


class NoSuchRun(SmartGridError):
    """A training run, or a file of it, does not exist."""

    exit_code = 2

    def __init__(self, run_id: str, name: str) -> None:
        self.run_id, self.name = run_id, name
        super().__init__(f"Training run {run_id!r} has no {name}.")
