"""How long a message may still wait at the provider."""

from __future__ import annotations

from datetime import UTC, datetime

from smartgrid.notifications.channel import Delivery
from smartgrid.notifications.errors import DeliveryFailed


def seconds_to_live(delivery: Delivery, longest_s: int, now: datetime | None = None) -> int:
    """At most `longest_s`, less where the delivery expires before.

    Raises:
        DeliveryFailed: permanent, when it has expired: an old alarm is noise.
    """
    if delivery.expires_at is None:
        return longest_s
    left_s = (delivery.expires_at - (now or datetime.now(UTC))).total_seconds()
    if left_s <= 0:
        raise DeliveryFailed("permanent", "the message expired before it could be sent")
    return max(1, min(longest_s, int(left_s)))
