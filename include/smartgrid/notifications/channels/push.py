"""Push by the platform that the delivery names."""

from __future__ import annotations

from smartgrid.channel_settings import Channels
from smartgrid.notifications.channel import Channel, Delivery, Platform, Receipt
from smartgrid.notifications.channels.push_apns import ApnsPush
from smartgrid.notifications.channels.push_fcm import FcmPush
from smartgrid.notifications.channels.push_webpush import WebPushChannel
from smartgrid.notifications.errors import DeliveryFailed


class PushChannel:
    """FCM, APNs and Web Push behind one name."""

    name = "push"

    def __init__(self, channels: Channels) -> None:
        self._platforms: dict[Platform, Channel] = {
            "fcm": FcmPush(channels),
            "apns": ApnsPush(channels),
            "webpush": WebPushChannel(channels),
        }

    def send(self, delivery: Delivery) -> Receipt:
        """Hand the message to the delivery's platform; without one, to FCM.

        Raises:
            DeliveryFailed: as the platform's channel does.
        """
        channel = self._platforms.get(delivery.platform or "fcm")
        if channel is None:
            raise DeliveryFailed("permanent", f"unknown push platform {delivery.platform!r}: use fcm, apns or webpush")
        return channel.send(delivery)
