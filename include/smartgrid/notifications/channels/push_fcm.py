"""Push over Firebase Cloud Messaging, HTTP v1 (https://firebase.google.com/docs/reference/fcm/rest/v1)."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from smartgrid.channel_settings import Channels, Fcm
from smartgrid.notifications.channel import Delivery, Receipt
from smartgrid.notifications.channels.fcm_account import ServiceAccount, service_account
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.expiry import seconds_to_live
from smartgrid.notifications.http_failures import excerpt, no_answer
from smartgrid.notifications.json_bytes import json_bytes
from smartgrid.notifications.retry_after import retry_after_s
from smartgrid.notifications.tls_trust import tls_context

log = logging.getLogger(__name__)

PAYLOAD_LIMIT_BYTES = 4096
LONGEST_TTL_S = 28 * 86_400  # FCM keeps nothing longer
# FCM asks for at least a minute where it gives no `Retry-After` with 429.
QUOTA_WAIT_S = 60.0
_RESERVED_KEYS = frozenset({"from", "message_type", "collapse_key"})


class FcmPush:
    """Needs the key file of a service account. `fid:...` is a Firebase installation id, `token:...` or a bare
    recipient a registration token."""

    name = "fcm"

    def __init__(self, channels: Channels) -> None:
        self._config: Fcm = channels.fcm
        self._ca_file = channels.egress.ca_file

    def send(self, delivery: Delivery) -> Receipt:
        """Hand one message to FCM. A repetition replaces the first on the device, by its tag.

        Raises:
            DeliveryFailed: `disables_recipient` where the app is no longer installed.
        """
        account = self._account()
        message = fcm_message(delivery)
        project = self._config.project_id or account.project
        url = f"{self._config.base_url.rstrip('/')}/v1/projects/{project}/messages:send"
        headers = {"authorization": f"Bearer {account.access_token(self._config.timeout_s)}"}
        began = time.monotonic()
        try:
            answer = _client(os.getpid(), self._ca_file).post(
                url, json={"message": message}, headers=headers, timeout=self._config.timeout_s
            )
        except httpx.TransportError as error:
            raise no_answer("FCM", error) from None
        took_s = time.monotonic() - began
        if answer.status_code != 200:
            raise _refused(answer, account)
        try:
            name = str(answer.json().get("name") or "") or None
        except ValueError:
            name = None  # taken all the same: the status says so
        log.info("push %s was taken by FCM after %.2f s", delivery.delivery_id, took_s)
        return Receipt(name, "accepted", took_s, "fcm")

    def _account(self) -> ServiceAccount:
        path = self._config.service_account_file
        if path is not None:
            return service_account(os.getpid(), path)
        if self._config.server_key is not None:
            raise DeliveryFailed(
                "configuration",
                "FCM_SERVER_KEY is of the legacy API, which Google switched off in 2024: create a service account key "
                "in the Firebase console (Project settings, Service accounts) and set GOOGLE_APPLICATION_CREDENTIALS "
                "to its file",
            )
        raise DeliveryFailed("configuration", "push over FCM needs GOOGLE_APPLICATION_CREDENTIALS, a key file")


def fcm_message(delivery: Delivery) -> dict[str, Any]:
    """The `message` of a request.

    Raises:
        DeliveryFailed: permanent, for a reserved key in `data` or more than 4,096 bytes.
    """
    scheme, separator, identifier = delivery.recipient.partition(":")
    # Registration tokens have colons in them: only these two words are ours.
    kind, identifier = (
        (scheme, identifier) if separator and scheme in ("fid", "token") else ("token", delivery.recipient)
    )
    if not identifier.strip():
        raise DeliveryFailed("permanent", "push over FCM needs a registration token or an installation id")
    urgent = delivery.priority in ("high", "critical")
    data = string_values(delivery.data)
    for key in data:
        if key in _RESERVED_KEYS or key.startswith(("google.", "gcm.")):
            raise DeliveryFailed("permanent", f"FCM reserves the name {key!r}: give this data another one")
    data.setdefault("notification_id", delivery.notification_id)
    title = delivery.subject or "Smart Grid"
    size = len(json_bytes({"title": title, "body": delivery.message, **data}))
    if size > PAYLOAD_LIMIT_BYTES:
        raise DeliveryFailed("permanent", f"the push message has {size} bytes; FCM takes {PAYLOAD_LIMIT_BYTES}")
    return {
        kind: identifier,
        "notification": {"title": title, "body": delivery.message},
        "data": data,
        "android": {
            "priority": "HIGH" if urgent else "NORMAL",
            "ttl": f"{seconds_to_live(delivery, LONGEST_TTL_S)}s",
            "notification": {"tag": delivery.delivery_id},
        },
    }


def string_values(data: Mapping[str, Any]) -> dict[str, str]:
    """FCM takes only strings: anything else becomes its JSON.

    >>> string_values({"sensor_id": "sensor_001", "load_kw": 12.5, "critical": True})
    {'sensor_id': 'sensor_001', 'load_kw': '12.5', 'critical': 'true'}
    """
    return {
        str(key): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        for key, value in data.items()
    }


@lru_cache(maxsize=4)
def _client(_process: int, ca_file: Path | None) -> httpx.Client:
    return httpx.Client(
        verify=tls_context(ca_file), limits=httpx.Limits(max_connections=50, max_keepalive_connections=50)
    )


def _refused(answer: httpx.Response, account: ServiceAccount) -> DeliveryFailed:
    status = answer.status_code
    code, said = _error_of(answer)
    reason = f"FCM answered {status} {code}: {said}"
    wait_s = retry_after_s(answer.headers.get("retry-after"))
    if code == "UNREGISTERED":
        reason = f"the app is no longer registered with FCM ({status} {code})"
        return DeliveryFailed("permanent", reason, status=status, disables_recipient=True)
    if status == 429 or code in ("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"):
        return DeliveryFailed(
            "retry", reason, status=status, retry_after_s=wait_s if wait_s is not None else QUOTA_WAIT_S
        )
    if status >= 500 or status == 408:
        return DeliveryFailed("retry", reason, status=status, retry_after_s=wait_s)
    if code == "SENDER_ID_MISMATCH":
        return DeliveryFailed("permanent", "the token is of another Firebase project", status=status)
    if status == 401:
        # A token that was withdrawn early; the next attempt asks for a new one.
        account.forget_token()
        return DeliveryFailed("configuration" if code == "THIRD_PARTY_AUTH_ERROR" else "retry", reason, status=status)
    if status in (403, 404):  # 404 without UNREGISTERED: the project, not the recipient
        return DeliveryFailed("configuration", reason, status=status)
    return DeliveryFailed("permanent", reason, status=status)


def _error_of(answer: httpx.Response) -> tuple[str, str]:
    """FCM's own code (in `details`), else Google's, and the message."""
    try:
        error = answer.json()["error"]
        details = error.get("details") or []
        own = next((detail["errorCode"] for detail in details if "errorCode" in detail), None)
        return str(own or error.get("status") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", excerpt(answer.content)
