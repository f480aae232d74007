"""How one dataset is refreshed: how often, how patiently."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from smartgrid.powerbi_settings import PowerBi

# The service's own limit when no other is asked for, and the largest that can be.
SERVICE_TIMEOUT_S, LONGEST_TIMEOUT_S = 5 * 3600, 24 * 3600


@dataclass(frozen=True)
class RefreshPolicy:
    """Fields as in the settings of the same names."""

    refresh_type: Literal["auto", "standard", "enhanced"]
    daily_budget: int
    coalesce_s: float
    poll_s: float
    settle_s: float
    outage_s: float
    refresh_timeout_s: float
    request_timeout_s: float

    @classmethod
    def of(cls, settings: PowerBi) -> RefreshPolicy:
        return cls(
            refresh_type=settings.refresh_type,
            daily_budget=settings.daily_budget,
            coalesce_s=settings.coalesce_s,
            poll_s=settings.poll_s,
            settle_s=settings.settle_s,
            outage_s=settings.outage_s,
            refresh_timeout_s=settings.refresh_timeout_s,
            request_timeout_s=settings.request_timeout_s,
        )

    @property
    def service_timeout(self) -> timedelta | None:
        """What an enhanced refresh tells the service of our patience; None: as it is used to."""
        if self.refresh_timeout_s < 60 or self.refresh_timeout_s == SERVICE_TIMEOUT_S:
            return None
        return timedelta(seconds=min(self.refresh_timeout_s, LONGEST_TIMEOUT_S))

    @property
    def first_poll_s(self) -> float:
        return min(1.0, self.poll_s)

    @property
    def lease_s(self) -> float:
        """Longer than the slowest start: connecting, a refused token, the same again."""
        return 3 * self.request_timeout_s + 15

    def look_again_s(self, age_s: float) -> float:
        """Pause before the next look at a refresh of this age: short ones are seen soon, long ones ask little."""
        return min(self.poll_s, max(self.first_poll_s, age_s / 8))
