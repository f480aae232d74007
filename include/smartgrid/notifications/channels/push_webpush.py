"""Push to browsers: encrypted for the browser (RFC 8291), sent to its push service (RFC 8030), signed (RFC 8292)."""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from smartgrid.channel_settings import Channels, WebPush
from smartgrid.errors import ConfigurationError
from smartgrid.notifications.channel import Delivery, Endpoint, Receipt
from smartgrid.notifications.egress import EgressRefused
from smartgrid.notifications.egress_client import Answer, egress_client
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.expiry import seconds_to_live
from smartgrid.notifications.http_failures import excerpt, no_answer
from smartgrid.notifications.json_bytes import json_bytes
from smartgrid.notifications.name_lookup import NameNotFound
from smartgrid.notifications.retry_after import retry_after_s
from smartgrid.notifications.webpush_keys import read_vapid_key

log = logging.getLogger(__name__)

# A push service takes at least 4,096 bytes; header and padding of the encryption take the rest.
PAYLOAD_LIMIT_BYTES = 3993
ANSWER_LIMIT_BYTES = 16_384
CLAIM_LIFE_S = 12 * 3600  # at most 24 h are allowed
_URGENCY = {"low": "low", "medium": "normal", "high": "high", "critical": "high"}


class WebPushChannel:
    """Needs VAPID_PRIVATE_KEY and VAPID_EMAIL. The recipient's subscription is the delivery's endpoint, or the
    recipient itself as the JSON that the browser gave."""

    name = "webpush"

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def send(self, delivery: Delivery) -> Receipt:
        """Hand one message to the browser's push service. A repetition replaces the first while it waits there.

        Raises:
            DeliveryFailed: `disables_recipient` where the subscription has ended.
        """
        config = self._channels.webpush
        endpoint = delivery.endpoint or subscription(delivery.recipient)
        ttl_s = seconds_to_live(delivery, config.ttl_s)
        headers = {
            "content-type": "application/octet-stream",
            "content-encoding": "aes128gcm",
            "ttl": str(ttl_s),
            "urgency": _URGENCY[delivery.priority],
            "topic": delivery.delivery_id.replace("-", "")[:32],
        }
        try:
            parts = egress_client(self._channels.egress).policy.check_url(endpoint.url)
            if ":" in (parts.hostname or ""):
                # The claims of VAPID have no room for it, and no push service lives there.
                raise DeliveryFailed("permanent", "the address of the subscription is a bare IPv6 address")
            headers["authorization"] = _authorization(config, f"{parts.scheme}://{parts.netloc}")
            body = _encrypted(endpoint, webpush_payload(delivery))
            began = time.monotonic()
            answer = egress_client(self._channels.egress).post(
                endpoint.url, body, headers, timeout_s=config.timeout_s, limit_bytes=ANSWER_LIMIT_BYTES
            )
        except EgressRefused as error:
            raise DeliveryFailed("permanent", str(error)) from None
        except NameNotFound as error:
            raise DeliveryFailed("retry", str(error)) from None
        except httpx.TransportError as error:
            raise no_answer("the browser's push service", error) from None
        except httpx.InvalidURL:
            raise DeliveryFailed("permanent", "the address of the subscription is not valid") from None
        took_s = time.monotonic() - began
        host = urlsplit(endpoint.url).hostname
        if not 200 <= answer.status < 300:
            raise _refused(str(host), answer)
        log.info("push %s was taken by %s after %.2f s", delivery.delivery_id, host, took_s)
        return Receipt(_message_id(answer), "accepted", took_s, f"webpush: {host}")


def subscription(text: str) -> Endpoint:
    """The endpoint of a subscription, from the browser's `JSON.stringify(subscription)`.

    Raises:
        DeliveryFailed: permanent, for anything else.
    """
    try:
        given = json.loads(text)
        keys = {name: SecretStr(str(given["keys"][name])) for name in ("p256dh", "auth")}
        return Endpoint("", str(given["endpoint"]), (), keys)
    except (ValueError, KeyError, TypeError):
        reason = "a Web Push recipient is a browser's subscription in JSON: endpoint, keys.p256dh and keys.auth"
        raise DeliveryFailed("permanent", reason) from None


def webpush_payload(delivery: Delivery) -> bytes:
    """The JSON that the page's service worker gets.

    Raises:
        DeliveryFailed: permanent, above 3,993 bytes.
    """
    payload: dict[str, Any] = {
        "title": delivery.subject or "Smart Grid",
        "body": delivery.message,
        "tag": delivery.delivery_id,
        "priority": delivery.priority,
        "notification_id": delivery.notification_id,
        "data": dict(delivery.data),
    }
    body = json_bytes(payload)
    if len(body) > PAYLOAD_LIMIT_BYTES:
        reason = f"the push message has {len(body)} bytes; Web Push takes {PAYLOAD_LIMIT_BYTES}"
        raise DeliveryFailed("permanent", reason)
    return body


def _encrypted(endpoint: Endpoint, payload: bytes) -> bytes:
    from pywebpush import WebPusher, WebPushException

    keys = {name: secret.get_secret_value() for name, secret in endpoint.keys.items()}
    try:
        encoded = WebPusher({"endpoint": endpoint.url, "keys": keys}).encode(payload)
        return bytes(encoded["body"])
    except (WebPushException, ValueError, TypeError, KeyError, IndexError) as error:
        reason = f"the subscription's keys are not those of a browser ({type(error).__name__})"
        raise DeliveryFailed("permanent", reason, disables_recipient=True) from None


def _authorization(config: WebPush, audience: str) -> str:
    from py_vapid import VapidException

    if config.vapid_private_key is None or config.vapid_subject is None:
        raise DeliveryFailed(
            "configuration",
            "Web Push needs VAPID_PRIVATE_KEY and VAPID_EMAIL: `smartgrid notifications vapid-keys` makes the key",
        )
    # Claims of their own for each request: the library keeps what it adds, and the audience is this service's.
    claims = {"aud": audience, "exp": int(time.time()) + CLAIM_LIFE_S, "sub": config.vapid_subject}
    try:
        return str(read_vapid_key(config.vapid_private_key).sign(claims)["Authorization"])
    except (ConfigurationError, VapidException) as error:
        raise DeliveryFailed("configuration", str(error)) from None


def _message_id(answer: Answer) -> str | None:
    # RFC 8030: the address of the message is its id; the last part is enough to find it in the service's log.
    location = answer.headers.get("location")
    return location.rstrip("/").rpartition("/")[2] if location else None


def _refused(host: str, answer: Answer) -> DeliveryFailed:
    status = answer.status
    if status in (404, 410):
        return DeliveryFailed(
            "permanent", f"the browser's subscription has ended ({status})", status=status, disables_recipient=True
        )
    said = excerpt(answer.body)
    reason = f"{host} answered {status}" + (f": {said}" if said else "")
    if status in (401, 403):
        # Not a matter of the settings: any subscriber may name a service that answers so.
        return DeliveryFailed("permanent", f"{reason}; is it subscribed with this VAPID key?", status=status)
    if status in (408, 425, 429) or status >= 500:
        wait_s = retry_after_s(answer.headers.get("retry-after"))
        return DeliveryFailed("retry", reason, status=status, retry_after_s=wait_s)
    return DeliveryFailed("permanent", reason, status=status)
