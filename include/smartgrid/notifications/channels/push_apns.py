"""Push over Apple's service: HTTP/2 with a signed token
(https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns)."""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from smartgrid.channel_settings import Apns, Channels
from smartgrid.notifications.channel import Delivery, Receipt
from smartgrid.notifications.channels.apns_token import ProviderToken, provider_token
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.expiry import seconds_to_live
from smartgrid.notifications.http_failures import excerpt, no_answer
from smartgrid.notifications.json_bytes import json_bytes
from smartgrid.notifications.retry_after import retry_after_s
from smartgrid.notifications.tls_trust import tls_context

log = logging.getLogger(__name__)

PRODUCTION, SANDBOX = "https://api.push.apple.com", "https://api.sandbox.push.apple.com"
PAYLOAD_LIMIT_BYTES = 4096
LONGEST_TTL_S = 30 * 86_400
# Only what Apple calls expired is given up: with the wrong environment or bundle id every token looks bad.
_DEAD = {"Unregistered", "ExpiredToken"}
_OURS = {
    "BadCertificate", "BadCertificateEnvironment", "Forbidden", "InvalidProviderToken", "MissingProviderToken",
    "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken", "BadTopic", "TopicDisallowed", "MissingTopic", "BadPath",
    "MethodNotAllowed", "InvalidPushType",
}  # fmt: skip


class ApnsPush:
    """Needs the .p8 key file, its key id, the team id and the bundle id."""

    name = "apns"

    def __init__(self, channels: Channels) -> None:
        self._config: Apns = channels.apns
        self._ca_file = channels.egress.ca_file

    def send(self, delivery: Delivery) -> Receipt:
        """Hand one notification to Apple. A repetition has the same `apns-id` and replaces the first on the device.

        Raises:
            DeliveryFailed: `disables_recipient` where the device token is dead.
        """
        config, token = self._config, self._token()
        device = delivery.recipient.removeprefix("token:")
        if not device or not device.isalnum() or not device.isascii():
            raise DeliveryFailed("permanent", "an APNs device token is a hexadecimal number")
        body = apns_payload(delivery)
        expires = int(datetime.now(UTC).timestamp()) + seconds_to_live(delivery, LONGEST_TTL_S)
        headers = {
            "apns-topic": config.bundle_id or "",
            "apns-push-type": "alert",
            "apns-priority": "10" if delivery.priority in ("high", "critical") else "5",
            "apns-expiration": str(expires),
            "apns-id": delivery.delivery_id,
            "apns-collapse-id": delivery.delivery_id[:64],
            "content-type": "application/json",
        }
        began = time.monotonic()
        answer = self._post(device, body, headers, token.current())
        if answer.status_code == 403 and _reason(answer)[0] == "ExpiredProviderToken":
            answer = self._post(device, body, headers, token.renewed())  # this machine's clock may be wrong: once
        took_s = time.monotonic() - began
        if answer.status_code != 200:
            raise _refused(answer)
        log.info("push %s was taken by APNs after %.2f s", delivery.delivery_id, took_s)
        apns_id = answer.headers.get("apns-id") or delivery.delivery_id
        return Receipt(apns_id, "accepted", took_s, f"apns: {answer.http_version}")

    def _post(self, device: str, body: bytes, headers: dict[str, str], jwt: str) -> httpx.Response:
        client = _client(os.getpid(), self._config.base_url, self._config.use_sandbox, self._ca_file)
        signed = {**headers, "authorization": f"bearer {jwt}"}
        for last in (False, True):
            try:
                return client.post(f"/3/device/{device}", content=body, headers=signed, timeout=self._config.timeout_s)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                # Apple closes idle connections: the first request on such a one is repeated at once, under its id.
                if last:
                    raise no_answer("APNs", error) from None
            except httpx.TransportError as error:
                raise no_answer("APNs", error) from None
        raise AssertionError("the second attempt returns or raises")

    def _token(self) -> ProviderToken:
        config = self._config
        missing = [
            name
            for name, value in (
                ("APNS_KEY_PATH", config.key_path),
                ("APNS_KEY_ID", config.key_id),
                ("APNS_TEAM_ID", config.team_id),
                ("APNS_BUNDLE_ID", config.bundle_id),
            )
            if not value
        ]
        if missing:
            raise DeliveryFailed("configuration", f"push over APNs needs {', '.join(missing)}")
        assert config.key_path is not None
        assert config.key_id is not None
        assert config.team_id is not None
        return provider_token(os.getpid(), config.key_path, config.key_id, config.team_id)


def apns_payload(delivery: Delivery) -> bytes:
    """The JSON that the device gets.

    Raises:
        DeliveryFailed: permanent, above 4,096 bytes or with `aps` among the data.
    """
    if "aps" in delivery.data:
        raise DeliveryFailed("permanent", "APNs reserves the name 'aps': give this data another one")
    alert = {"body": delivery.message, **({"title": delivery.subject} if delivery.subject else {})}
    aps: dict[str, Any] = {"alert": alert, "sound": "default", "thread-id": "smartgrid"}
    if delivery.priority in ("high", "critical"):
        aps["interruption-level"] = "time-sensitive"
    payload = {**delivery.data, "notification_id": delivery.notification_id, "aps": aps}
    body = json_bytes(payload)
    if len(body) > PAYLOAD_LIMIT_BYTES:
        raise DeliveryFailed("permanent", f"the push message has {len(body)} bytes; APNs takes {PAYLOAD_LIMIT_BYTES}")
    return body


@lru_cache(maxsize=4)
def _client(_process: int, base_url: str | None, sandbox: bool, ca_file: Path | None) -> httpx.Client:
    # One for the process: Apple takes connecting again and again for an attack.
    return httpx.Client(
        http2=True,
        base_url=base_url or (SANDBOX if sandbox else PRODUCTION),
        verify=tls_context(ca_file),
        limits=httpx.Limits(keepalive_expiry=600.0),
    )


def _reason(answer: httpx.Response) -> tuple[str, str]:
    try:
        reason = str(answer.json()["reason"])
    except (ValueError, KeyError, TypeError):
        return "", excerpt(answer.content)
    return reason, reason


def _refused(answer: httpx.Response) -> DeliveryFailed:
    status = answer.status_code
    reason, said = _reason(answer)
    text = f"APNs answered {status}: {said}"
    wait_s = retry_after_s(answer.headers.get("retry-after"))
    if status == 410 or reason in _DEAD:
        return DeliveryFailed("permanent", text, status=status, disables_recipient=True)
    if reason in ("BadDeviceToken", "DeviceTokenNotForTopic"):
        text += "; check APNS_USE_SANDBOX and APNS_BUNDLE_ID where every device fails"
    if reason == "TooManyProviderTokenUpdates":
        return DeliveryFailed("retry", text, status=status, retry_after_s=wait_s or 1200.0)
    if status in (408, 429) or status >= 500 or reason == "ExpiredProviderToken":
        return DeliveryFailed("retry", text, status=status, retry_after_s=wait_s)
    if reason in _OURS or status == 403:
        return DeliveryFailed("configuration", text, status=status)
    return DeliveryFailed("permanent", text, status=status)
