"""One message, sent now and by this process: no outbox, no schedule, no record.

For scripts and notebooks. What must not be lost goes through the notification service.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, cast, get_args

from pydantic import SecretStr

from smartgrid.channel_settings import Channels, SmsProvider
from smartgrid.notifications.channel import PLATFORMS, Delivery, Platform, Priority, Receipt
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.settings import get_settings

# Pauses between quick tries of one call; the outbox has the long schedule.
_PAUSES_S = (0.5, 2.0)
_LONGEST_PAUSE_S = 10.0


class SendResult(TypedDict):
    """`id`: the provider's id for the message, or ours. `provider_status`: the provider's own word."""

    success: bool
    status: Literal["sent", "failed"]
    id: str
    channel: str
    provider_status: str
    detail: str
    attempts: int
    latency_s: float


class WebhookCall(TypedDict, total=False):
    """One message of `send_webhooks`: `url`, `payload` and, if it is to be signed, `secret`."""

    url: str
    payload: Any
    secret: str


def send_webhook(url: str, payload: Any, secret: str | Sequence[str] | None = None, *, tries: int = 3) -> SendResult:
    """POST `payload` as JSON to `url`, signed by the Standard Webhooks specification.

    `secret` is `whsec_...`, or plain text whose UTF-8 bytes are the key; several, newest first, sign all. Without
    one, WEBHOOK_SECRET signs; without that the secret of this home, which `smartgrid notifications secret` shows. A
    failure that may pass is tried `tries` times in all, with growing pauses and the same `webhook-id`.

    Raises:
        DeliveryFailed: with its kind and reason.
    """
    from smartgrid.notifications.channels.webhook import WebhookChannel
    from smartgrid.notifications.default_secret import signing_channels
    from smartgrid.notifications.json_bytes import json_bytes

    given = [secret] if isinstance(secret, str) else list(secret or ())
    if isinstance(secret, str) and not secret:
        raise DeliveryFailed("configuration", "the webhook secret is empty")
    body, message_id = json_bytes(payload), _new_id()
    channels = _channels() if given else signing_channels(_channels(), get_settings().home)
    channel, secrets = WebhookChannel(channels), [SecretStr(one) for one in given]
    return _tried("webhook", message_id, tries, lambda: channel.post(url, body, message_id, secrets))


def send_webhooks(calls: Sequence[WebhookCall], *, tries: int = 3, parallel: int = 8) -> list[SendResult]:
    """`send_webhook` for each call, several at a time; the results in the same order.

    A failure is a result with `success` false and its reason in `detail`: one dead receiver does not stop the rest.
    """

    def one(call: WebhookCall) -> SendResult:
        try:
            return send_webhook(call["url"], call["payload"], call.get("secret"), tries=tries)
        except DeliveryFailed as failure:
            return SendResult(
                success=False, status="failed", id="", channel="webhook", provider_status=str(failure.status or ""),
                detail=failure.reason, attempts=tries if failure.kind == "retry" else 1, latency_s=0.0,
            )  # fmt: skip

    with ThreadPoolExecutor(max_workers=max(1, parallel)) as pool:
        return list(pool.map(one, calls))


def send_sms(to_phone: str, message: str, provider: str | None = None) -> SendResult:
    """Send one SMS: by `provider` ("twilio" or "aws_sns") alone, or by the configured ones in order.

    Never repeated: after a timeout the failure is `ambiguous`, and the caller decides.

    Raises:
        DeliveryFailed: with its kind and reason.
    """
    from smartgrid.notifications.channels.sms import SmsChannel

    channels = _channels()
    if provider is not None:
        if provider not in get_args(SmsProvider):
            raise DeliveryFailed("configuration", f"unknown SMS provider {provider!r}: use 'twilio' or 'aws_sns'")
        chosen = channels.sms.model_copy(update={"providers": (cast("SmsProvider", provider),)})
        channels = channels.model_copy(update={"sms": chosen})
    delivery = _delivery("sms", to_phone, message)
    channel = SmsChannel(channels)
    return _tried("sms", delivery.delivery_id, 1, lambda: channel.send(delivery))


def send_push_notification(
    device_token: str | Mapping[str, Any],
    title: str,
    body: str,
    platform: str = "fcm",
    data: Mapping[str, Any] | None = None,
    *,
    priority: Priority = "high",
    tries: int = 3,
) -> SendResult:
    """Send one push message by `platform` "fcm", "apns" or "webpush".

    `device_token`: FCM a registration token, or `fid:` and an installation id; APNs the device token; webpush the
    browser's subscription (its JSON, or the mapping). `data` goes to the app beside title and body.

    Raises:
        DeliveryFailed: with its kind and reason; `disables_recipient` where the token is dead.
    """
    from smartgrid.notifications.channels.push import PushChannel

    if platform not in PLATFORMS:
        raise DeliveryFailed("configuration", f"unknown push platform {platform!r}: use fcm, apns or webpush")
    recipient = device_token if isinstance(device_token, str) else json.dumps(dict(device_token))
    delivery = _delivery("push", recipient, body, title, data or {}, platform, priority)
    channel = PushChannel(_channels())
    return _tried(platform, delivery.delivery_id, tries, lambda: channel.send(delivery))


def send_email(to_address: str, subject: str, message: str, *, priority: Priority = "medium") -> SendResult:
    """Send one e-mail in plain text.

    Raises:
        DeliveryFailed: with its kind and reason.
    """
    from smartgrid.notifications.channels.email import EmailChannel

    delivery = _delivery("email", to_address, message, subject, priority=priority)
    channel = EmailChannel(_channels())
    return _tried("email", delivery.delivery_id, 1, lambda: channel.send(delivery))


def _channels() -> Channels:
    return get_settings().channels


def _new_id() -> str:
    return str(uuid.uuid4())


def _delivery(
    channel: Literal["sms", "push", "email"],
    recipient: str,
    message: str,
    subject: str | None = None,
    data: Mapping[str, Any] | None = None,
    platform: Platform | None = None,
    priority: Priority = "high",
) -> Delivery:
    return Delivery(
        delivery_id=_new_id(),
        notification_id=_new_id(),
        channel=channel,
        recipient=recipient,
        message=message,
        created_at=datetime.now(UTC),
        platform=platform,
        subject=subject,
        priority=priority,
        data=data or {},
    )


def _tried(channel: str, message_id: str, tries: int, send: Callable[[], Receipt]) -> SendResult:
    """Call `send` until it succeeds, fails for good, or was called `tries` times."""
    attempt = 0
    while True:
        attempt += 1
        try:
            receipt = send()
        except DeliveryFailed as failure:
            if failure.kind != "retry" or attempt >= tries:
                raise
            pause_s = _PAUSES_S[min(attempt, len(_PAUSES_S)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            if failure.retry_after_s is not None:
                if failure.retry_after_s > _LONGEST_PAUSE_S:
                    raise  # the caller knows better than to sleep that long
                pause_s = max(pause_s, failure.retry_after_s)
            time.sleep(pause_s)
        else:
            return SendResult(
                success=True, status="sent", id=receipt.provider_id or message_id, channel=channel,
                provider_status=receipt.status, detail=receipt.detail, attempts=attempt, latency_s=receipt.latency_s,
            )  # fmt: skip
