"""The ways on which a message leaves. `channel_for` gives the one for a delivery."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from smartgrid.notifications.channel import Channel, ChannelName, Platform

if TYPE_CHECKING:
    from pathlib import Path

    from smartgrid.channel_settings import Channels
    from smartgrid.settings import Settings

__all__ = ["channel_for"]


def channel_for(name: ChannelName, platform: Platform | None, settings: Settings) -> Channel:
    """The channel of this process; always the same object for the same settings.

    `platform` is part of the delivery, which `push` reads; it is taken here so that callers need no special case.
    """
    return _channel_of(os.getpid(), name, settings.channels, settings.home)


@lru_cache(maxsize=32)
def _channel_of(_process: int, name: ChannelName, channels: Channels, home: Path) -> Channel:
    from smartgrid.notifications.channels.email import EmailChannel
    from smartgrid.notifications.channels.push import PushChannel
    from smartgrid.notifications.channels.sms import SmsChannel
    from smartgrid.notifications.channels.webhook import WebhookChannel
    from smartgrid.notifications.default_secret import signing_channels

    kinds: dict[ChannelName, type[WebhookChannel | SmsChannel | PushChannel | EmailChannel]] = {
        "webhook": WebhookChannel,
        "sms": SmsChannel,
        "push": PushChannel,
        "email": EmailChannel,
    }
    return kinds[name](signing_channels(channels, home) if name == "webhook" else channels)
