"""The seam between the worker and the channels: what a channel is handed, what it answers, how it fails.

A channel sends one delivery once, within its own time limit, and either returns a `Receipt` or raises
`DeliveryFailed`. It keeps no state about deliveries: when to try again is the worker's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import SecretStr

ChannelName = Literal["webhook", "sms", "push", "email"]
Platform = Literal["fcm", "apns", "webpush"]
Priority = Literal["low", "medium", "high", "critical"]
FailureKind = Literal["retry", "permanent", "configuration", "ambiguous"]

CHANNELS: tuple[ChannelName, ...] = ("webhook", "sms", "push", "email")
PLATFORMS: tuple[Platform, ...] = ("fcm", "apns", "webpush")
PRIORITIES: tuple[Priority, ...] = ("low", "medium", "high", "critical")


@dataclass(frozen=True)
class Endpoint:
    """A registered receiver. Webhook: address and signing secrets. Web Push: the browser's subscription.

    `secrets` are the active signing secrets, newest first (`whsec_...`): a webhook is signed with each of them, so
    that a receiver may change over without losing a message. `keys` holds what else the receiver gave on
    registration (Web Push: `p256dh` and `auth`).
    """

    endpoint_id: str
    url: str
    secrets: tuple[SecretStr, ...] = ()
    keys: Mapping[str, SecretStr] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """One notification on its way to one recipient.

    `delivery_id` is a UUID that never changes over retries and replays: it is the `webhook-id` and the `apns-id`, by
    which a receiver knows a repetition. `attempt` counts from 1. `recipient`: an http(s) address, an E.164 number, a
    device token (`fid:...` or `token:...` for FCM; bare: token), an e-mail address, or for webpush the id of a
    registered subscription, found in `endpoint`. An ad-hoc webhook address without registration has no endpoint.
    """

    delivery_id: str
    notification_id: str
    channel: ChannelName
    recipient: str
    message: str
    created_at: datetime
    platform: Platform | None = None
    subject: str | None = None
    priority: Priority = "medium"
    data: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    attempt: int = 1
    endpoint: Endpoint | None = None


@dataclass(frozen=True)
class Receipt:
    """The provider took the message. `provider_id`: its id for it (Twilio SID, FCM name), `status`: its own word.

    `latency_s` is what the request took; `detail` is shown in the history and holds no secret.
    """

    provider_id: str | None = None
    status: str = "accepted"
    latency_s: float = 0.0
    detail: str = ""


class Channel(Protocol):
    """Sends over one channel. Safe to call from several threads."""

    name: str

    def send(self, delivery: Delivery) -> Receipt:
        """Hand the message to the provider.

        Raises:
            smartgrid.notifications.errors.DeliveryFailed: with what the worker is to do about it.
        """
        ...


@runtime_checkable
class Reconciles(Protocol):
    """A channel whose provider can be asked whether a message with an unknown fate was taken."""

    def reconcile(self, delivery: Delivery, started_at: datetime) -> Receipt | None:
        """The receipt if the provider has the message that was handed over at `started_at`; None: surely not.

        Raises:
            smartgrid.notifications.errors.DeliveryFailed: kind `retry` - ask again later; kind `ambiguous` - it will
                never be known.
        """
        ...
