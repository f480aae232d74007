"""Signatures of the Standard Webhooks specification (https://www.standardwebhooks.com), by its own library.

A secret `whsec_...` is base64 of the signing key. Any other text is the signing key itself, as UTF-8; the receiver's
library then takes what `receiver_secret` returns.
"""

from __future__ import annotations

import base64
import binascii
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from smartgrid.notifications.errors import NotificationError

PREFIX = "whsec_"


class BadWebhookSecret(NotificationError):
    """A signing secret is empty, or says `whsec_` and is no base64. The secret itself is not told."""

    exit_code = 2

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The webhook secret {problem}. Use plain text, or {PREFIX} with base64 of 24 to 64 bytes.")


class ForgedWebhook(NotificationError):
    """A message that none of the secrets signed, or whose time is more than five minutes off."""

    exit_code = 3

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The webhook is not genuine: {problem}.")


def new_secret() -> str:
    """A fresh secret of 32 random bytes, `whsec_...`."""
    return PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def signing_key(secret: str | SecretStr) -> bytes:
    """The bytes that sign.

    >>> signing_key("webhook-secret-key")
    b'webhook-secret-key'
    >>> signing_key("whsec_d2ViaG9vay1zZWNyZXQta2V5")
    b'webhook-secret-key'

    Raises:
        BadWebhookSecret: for an empty secret, and for `whsec_` without base64 behind it.
    """
    text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    if not text.startswith(PREFIX):
        if not text:
            raise BadWebhookSecret("is empty")
        return text.encode()
    encoded = text.removeprefix(PREFIX).strip().rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise BadWebhookSecret("is not base64") from None
    if not key:
        raise BadWebhookSecret("is empty")
    return key


def receiver_secret(secret: str | SecretStr) -> str:
    """The same secret as a receiver's Standard Webhooks library takes it.

    >>> receiver_secret("webhook-secret-key")
    'whsec_d2ViaG9vay1zZWNyZXQta2V5'
    """
    return PREFIX + base64.b64encode(signing_key(secret)).decode()


def signed_headers(
    message_id: str, body: bytes, secrets: Sequence[str | SecretStr], now: datetime | None = None
) -> dict[str, str]:
    """The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` of these exact bytes.

    Each secret gives one signature, separated by spaces: while a secret is being replaced, the old and the new one
    both verify. Without secrets there is no signature.

    Raises:
        BadWebhookSecret: see `signing_key`.
    """
    # The library reads a time without zone, or of another one, as UTC.
    at = (now or datetime.now(UTC)).astimezone(UTC)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp()))}
    if secrets:
        headers["webhook-signature"] = " ".join(
            Webhook(signing_key(secret)).sign(message_id, at, body.decode()) for secret in secrets
        )
    return headers


def verify_webhook(body: bytes, headers: Mapping[str, str], secrets: Sequence[str | SecretStr]) -> None:
    """Check a message as its receiver does: one of `secrets` must have signed it within the last five minutes.

    Raises:
        ForgedWebhook: otherwise.
    """
    problem = "there is no secret to check it with"
    for secret in secrets:
        try:
            Webhook(signing_key(secret)).verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            problem = str(error)
        except ValueError:
            problem = "malformed signature"  # of another number of parts, or no base64
        else:
            return
    raise ForgedWebhook(problem)
