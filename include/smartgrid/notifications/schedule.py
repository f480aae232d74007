"""When a failed delivery is tried again, and when it is given up."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from smartgrid.notifications.channel import Priority
from smartgrid.settings import Settings

# A receiver may ask for more patience, but not for ever.
LONGEST_RETRY_AFTER_S = 12 * 3600.0
# Added to each wait, so that what failed together does not come back together.
JITTER_SHARE = 0.2
# Asking a provider about a message of unknown fate: it may take a while until it is listed.
RECONCILE_AFTER_S = (15.0, 60.0, 300.0, 1800.0)


@dataclass(frozen=True)
class Schedule:
    """Seconds before each attempt, the first included, and how long a message is worth sending."""

    waits_s: tuple[float, ...]
    lifetime: timedelta

    def wait_s(self, attempts: int, retry_after_s: float | None = None) -> float | None:
        """Seconds until the next attempt after `attempts` failed ones; None: no further one."""
        if attempts >= len(self.waits_s):
            return None
        wait_s = self.waits_s[attempts] * (1 + random.uniform(0, JITTER_SHARE))  # noqa: S311 - not a secret
        if retry_after_s is None:
            return wait_s
        return max(wait_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))


def schedule_for(priority: Priority, settings: Settings) -> Schedule:
    """Critical messages have a short schedule and expire: an old alarm is noise."""
    if priority == "critical":
        waits_s, lifetime_s = settings.outbox.retries_critical_s, settings.outbox.lifetime_critical_s
    else:
        waits_s, lifetime_s = settings.outbox.retries_s, settings.outbox.lifetime_s
    return Schedule(tuple(waits_s), timedelta(seconds=lifetime_s))


def default_expiry(priority: Priority, starts: datetime, settings: Settings) -> datetime:
    return starts + schedule_for(priority, settings).lifetime
