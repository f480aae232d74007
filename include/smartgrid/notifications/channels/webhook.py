"""Webhooks: a signed POST of JSON to a receiver's address."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from smartgrid.channel_settings import Channels
from smartgrid.notifications.channel import Delivery, FailureKind, Receipt
from smartgrid.notifications.egress import EgressRefused
from smartgrid.notifications.egress_client import Answer, egress_client
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.http_failures import HOPELESS, excerpt, no_answer
from smartgrid.notifications.json_bytes import json_bytes
from smartgrid.notifications.name_lookup import NameNotFound
from smartgrid.notifications.retry_after import retry_after_s
from smartgrid.notifications.signing import BadWebhookSecret, signed_headers

log = logging.getLogger(__name__)


class WebhookChannel:
    """Only 2xx is success. A receiver that knows the message already (same `webhook-id`) should answer 2xx, too."""

    name = "webhook"

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def send(self, delivery: Delivery) -> Receipt:
        """POST the delivery to its registered endpoint, or to the address that is its recipient.

        Raises:
            DeliveryFailed: retry, or permanent; `disables_recipient` after 410.
        """
        endpoint = delivery.endpoint
        secrets = endpoint.secrets if endpoint is not None else ()
        url = endpoint.url if endpoint is not None else delivery.recipient
        return self.post(url, webhook_body(delivery), delivery.delivery_id, secrets)

    def post(self, url: str, body: bytes, message_id: str, secrets: Sequence[SecretStr]) -> Receipt:
        """POST these exact bytes, signed with each of `secrets`, or with the secret of the settings without any.

        Raises:
            DeliveryFailed: as `send`.
        """
        own = self._channels.webhook
        signing = list(secrets) or ([own.secret] if own.secret is not None else [])
        where = origin(url)
        try:
            headers = {"content-type": "application/json", **signed_headers(message_id, body, signing)}
            answer = egress_client(self._channels.egress).post(
                url, body, headers, timeout_s=own.timeout_s, limit_bytes=own.response_limit_bytes
            )
        except BadWebhookSecret as error:
            # The receiver's own secret concerns nobody else; the one of the settings everybody.
            raise DeliveryFailed("permanent" if secrets else "configuration", str(error)) from None
        except EgressRefused as error:
            raise DeliveryFailed("permanent", str(error)) from None
        except NameNotFound as error:
            raise DeliveryFailed("retry", str(error)) from None
        except httpx.TransportError as error:
            raise no_answer(where, error) from None
        except httpx.InvalidURL:
            raise DeliveryFailed("permanent", "the webhook's address is not valid") from None
        log.info("webhook %s to %s: %d after %.2f s", message_id, where, answer.status, answer.took_s)
        if not 200 <= answer.status < 300:
            raise _refused(where, answer)
        detail = "" if signing else "unsigned: neither the receiver nor the settings have a secret"
        return Receipt(message_id, str(answer.status), answer.took_s, detail)


def webhook_body(delivery: Delivery) -> bytes:
    """The JSON of a delivery; the same bytes at every attempt.

    `type`, `timestamp` and `data`, as Standard Webhooks recommends.
    """
    kind = delivery.data.get("kind")
    return json_bytes(
        {
            "type": kind if isinstance(kind, str) and kind else "notification",
            "timestamp": delivery.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": {
                "notification_id": delivery.notification_id,
                "subject": delivery.subject,
                "message": delivery.message,
                "priority": delivery.priority,
                "data": delivery.data,
            },
        }
    )


def origin(url: str) -> str:
    """Scheme, host and port: paths and queries of webhooks hold keys, and belong in no log."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "the address"


def _refused(where: str, answer: Answer) -> DeliveryFailed:
    status = answer.status
    if status == 410:
        return DeliveryFailed("permanent", f"{where} is gone (410)", status=status, disables_recipient=True)
    if 300 <= status < 400:
        reason = f"{where} answered {status}, a redirect; these are never followed: register the new address"
        return DeliveryFailed("permanent", reason, status=status)
    said = excerpt(answer.body)
    reason = f"{where} answered {status}" + (f": {said}" if said else "")
    # Anything else may pass: receivers answer 401 and 404, too, while they are being deployed.
    kind: FailureKind = "permanent" if status in HOPELESS else "retry"
    wait_s = retry_after_s(answer.headers.get("retry-after"))
    return DeliveryFailed(kind, reason, status=status, retry_after_s=wait_s)
