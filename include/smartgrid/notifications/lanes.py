"""Lanes: what is paced together. One webhook receiver, or one provider, is one lane; a slow one holds up no other."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from smartgrid.notifications.channel import Priority
from smartgrid.notifications.model import Target

RANKS: dict[Priority, int] = {"critical": 0, "high": 1, "medium": 2, "low": 3}
ENDPOINT_PREFIX = "ep_"
SUBSCRIPTION_PREFIX = "sub_"
LONGEST_LANE = 250


def lane_of(target: Target) -> str:
    """The lane of a recipient: a webhook's registered endpoint or its host and port, else channel and platform.

    >>> lane_of(Target("webhook", "https://ops.example.com/hook?x=1"))
    'webhook:https://ops.example.com'
    >>> lane_of(Target("push", "a-token", "fcm"))
    'push:fcm'
    """
    if target.channel == "webhook":
        if target.recipient.startswith(ENDPOINT_PREFIX):
            return f"webhook:{target.recipient}"
        address = urlsplit(target.recipient)
        # Without user and password: the name of a lane is shown and logged.
        return f"webhook:{address.scheme}://{address.netloc.rpartition('@')[2]}".lower()[:LONGEST_LANE]
    return target.channel if target.platform is None else f"{target.channel}:{target.platform}"


def queue_of(rank: int, lane: str) -> str:
    """The queue of a lane and a rank; the queues of critical messages sort before all others."""
    return f"{rank}|{lane}"


def recipient_key(target: Target) -> str:
    """What identifies a recipient whatever the length of its token."""
    text = "\0".join((target.channel, target.platform or "", target.recipient))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
