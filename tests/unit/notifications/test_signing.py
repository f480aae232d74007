"""Signatures that other people's libraries verify."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smartgrid.notifications.signing import (
    BadWebhookSecret,
    ForgedWebhook,
    new_secret,
    receiver_secret,
    signed_headers,
    signing_key,
    verify_webhook,
)

BODY = '{"message":"Überlast ⚡"}'.encode()


def test_the_signature_is_the_hmac_of_id_time_and_body() -> None:
    headers = signed_headers("msg_1", BODY, ["webhook-secret-key"], datetime(2026, 5, 1, 12, tzinfo=UTC))
    stamp = str(int(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()))
    signed = b"msg_1." + stamp.encode() + b"." + BODY
    expected = base64.b64encode(hmac.new(b"webhook-secret-key", signed, hashlib.sha256).digest()).decode()
    assert headers == {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{expected}"}


def test_the_time_zone_of_the_caller_does_not_matter() -> None:
    there = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert signed_headers("m", BODY, ["k"], there) == signed_headers("m", BODY, ["k"], there.astimezone(UTC))


def test_a_plain_secret_and_its_standard_form_are_the_same_key() -> None:
    assert signing_key(receiver_secret("webhook-secret-key")) == b"webhook-secret-key"


@given(st.text(min_size=1).filter(lambda text: not text.startswith("whsec_") and text.isprintable()))
def test_any_text_is_a_secret(text: str) -> None:
    headers = signed_headers("m", BODY, [text])
    verify_webhook(BODY, headers, [receiver_secret(text)])


def test_every_active_secret_verifies() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers("m", BODY, [SecretStr(new), SecretStr(old)])
    for secret in (old, new):
        verify_webhook(BODY, headers, [secret])


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": "v1,%%%,more"},
        {"webhook-signature": ""},
    ],
)
def test_a_changed_header_is_a_forgery(change: dict[str, str]) -> None:
    headers = signed_headers("m", BODY, ["key"]) | change
    with pytest.raises(ForgedWebhook):
        verify_webhook(BODY, headers, ["key"])


def test_a_changed_body_another_secret_and_an_old_message_are_forgeries() -> None:
    headers = signed_headers("m", BODY, ["key"])
    old = signed_headers("m", BODY, ["key"], datetime.now(UTC) - timedelta(minutes=6))
    for body, given_headers, secrets in (
        (BODY + b" ", headers, ["key"]),
        (BODY, headers, ["other"]),
        (BODY, headers, []),
        (BODY, old, ["key"]),
    ):
        with pytest.raises(ForgedWebhook):
            verify_webhook(body, given_headers, secrets)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_a"])
def test_a_secret_that_cannot_sign_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(BadWebhookSecret) as caught:
        signed_headers("m", BODY, [secret])
    assert secret.removeprefix("whsec_") in ("", "a") or secret not in str(caught.value)


def test_without_a_secret_there_is_no_signature() -> None:
    assert set(signed_headers("m", BODY, [])) == {"webhook-id", "webhook-timestamp"}


def test_new_secrets_differ_and_hold_32_bytes() -> None:
    assert len({new_secret() for _ in range(20)}) == 20
    assert len(signing_key(new_secret())) == 32
