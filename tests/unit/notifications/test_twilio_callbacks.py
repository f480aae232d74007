"""Delivery reports of Twilio: only genuine ones, and what they mean."""

from __future__ import annotations

import pytest
from own_settings import Configure
from twilio.request_validator import RequestValidator

from smartgrid.notifications.channels.twilio_signature import valid
from smartgrid.notifications.twilio_callbacks import error_of

URL = "https://grid.example/api/v1/notifications/callbacks/twilio"
FORM = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005", "To": "+1234567890"}


@pytest.fixture(autouse=True)
def twilio_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t0ken")


def signed(url: str, form: dict[str, str], token: str = "t0ken") -> str:
    return str(RequestValidator(token).compute_signature(url, form))


def test_a_genuine_callback_is_valid(configure: Configure) -> None:
    assert valid(URL, FORM, signed(URL, FORM), configure())


def test_behind_a_proxy_the_public_address_counts(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_STATUS_CALLBACK_URL", URL)
    assert valid("http://10.0.0.5:5003/callbacks", FORM, signed(URL, FORM), configure())
    query = "?delivery=1"
    assert valid(f"http://10.0.0.5:5003/callbacks{query}", FORM, signed(URL + query, FORM), configure())


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (URL, FORM | {"MessageStatus": "delivered"}, signed(URL, FORM)),
        (URL, FORM | {"Extra": "1"}, signed(URL, FORM)),
        (URL + "x", FORM, signed(URL, FORM)),
        (URL, FORM, signed(URL, FORM, "another")),
        (URL, FORM, ""),
        (URL, FORM, "ü"),
        (URL, FORM, "AAAA"),
    ],
)
def test_a_forged_callback_is_not_valid(configure: Configure, url: str, form: dict[str, str], signature: str) -> None:
    assert not valid(url, form, signature, configure())


def test_without_a_token_nothing_is_valid(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    assert not valid(URL, FORM, signed(URL, FORM, ""), configure())


@pytest.mark.parametrize(
    ("code", "words", "of_the_number"),
    [
        ("30003", "out of reach", False),
        ("30005", "does not exist", True),
        ("21610", "opted out", True),
        ("99999", "99999", False),
    ],
)
def test_the_code_of_a_report_is_told_in_words(code: str, words: str, of_the_number: bool) -> None:
    error = error_of(code)
    assert error is not None
    assert words in error.text
    assert error.of_the_number == of_the_number


@pytest.mark.parametrize("code", [None, ""])
def test_a_report_without_code_has_no_error(code: str | None) -> None:
    assert error_of(code) is None
