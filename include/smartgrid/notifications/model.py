"""What is to be sent to whom: the words in which rooms above, the routing and the API ask the outbox for a message."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from smartgrid.notifications.channel import ChannelName, Platform, Priority


@dataclass(frozen=True)
class Target:
    """One recipient on one channel; becomes one delivery.

    `recipient`: as in `channel.Delivery`; for a webhook an http(s) address or the id of a registered endpoint
    (`ep_...`), for push a device token or the id of a registered device or browser (`sub_...`).
    """

    channel: ChannelName
    recipient: str
    platform: Platform | None = None


@dataclass(frozen=True)
class NewNotification:
    """A message that is to be sent to `targets`.

    `not_before`: held back until then (quiet hours, grouping). `expires_at`: worthless afterwards; what is not
    delivered by then becomes a dead letter. `dedupe_key`: a second notification with the same key is not added.
    `event_ids` are the recorded events that the message speaks of.
    """

    message: str
    targets: tuple[Target, ...]
    subject: str | None = None
    priority: Priority = "medium"
    data: Mapping[str, Any] = field(default_factory=dict)
    not_before: datetime | None = None
    expires_at: datetime | None = None
    dedupe_key: str | None = None
    event_ids: tuple[int, ...] = ()
    source: str = "api"
    created_by: str = "smartgrid"


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): ordered by time, so that rows are appended to an index and not scattered."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))
