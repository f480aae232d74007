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
