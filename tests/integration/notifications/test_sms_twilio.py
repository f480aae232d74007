"""SMS over Twilio: against a mock made of Twilio's own API description, and against its bad days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from api_descriptions import api_description
from local_server import LocalServer
from node_tools import prism_mock
from notification_counterparts import channels, delivery
from serving_process import free_port
from wiremock_server import WireMock

from smartgrid.channel_settings import Channels
from smartgrid.notifications.channels.sms_twilio import TwilioSms
from smartgrid.notifications.errors import DeliveryFailed

ACCOUNT = "AC" + "0" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
TO, FROM = "+355691234567", "+15005550006"


def account(base_url: str, **fields: Any) -> Channels:
    return channels(
        twilio={
            "account_sid": ACCOUNT, "auth_token": "t0p-s3cret", "phone_number": FROM, "base_url": base_url, **fields,
        }
    )  # fmt: skip


def taken(
    status: str = "queued", body: str = "Overload: Line 7 is at 104 %", at: datetime | None = None
) -> dict[str, Any]:
    stamp = format_datetime(at or datetime.now(UTC))
    return {"sid": "SM" + "1" * 32, "status": status, "body": body, "to": TO, "from": FROM, "date_created": stamp,
            "date_sent": None, "date_updated": stamp}  # fmt: skip


def sms(**fields: Any) -> Any:
    return delivery("sms", fields.pop("recipient", TO), **fields)


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    description = api_description("twilio_api_v2010.json")
    with prism_mock(description, tmp_path_factory.mktemp("prism") / "twilio.log") as server:
        yield server


def test_the_request_is_what_twilio_s_description_asks_for(prism: LocalServer) -> None:
    channel = TwilioSms(account(prism.url, status_callback_url="https://grid.example/callbacks/twilio"))
    receipt = channel.send(sms(expires_at=datetime.now(UTC) + timedelta(minutes=5)))
    assert receipt.provider_id
    assert receipt.provider_id.startswith(("SM", "MM"))
    assert "1 SMS (GSM-7)" in receipt.detail


def test_a_request_that_the_description_forbids_is_not_taken(prism: LocalServer) -> None:
    wrong = channels(twilio={"account_sid": "nobody", "auth_token": "x", "phone_number": FROM, "base_url": prism.url})
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(wrong).send(sms())
    assert caught.value.kind == "permanent"
    assert caught.value.status == 422


def test_the_message_is_sent_with_sender_validity_and_callback(wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=201, json=taken())
    channel = TwilioSms(account(wiremock.url, status_callback_url="https://grid.example/cb"))
    channel.send(sms(recipient="+355 69 123 4567", expires_at=datetime.now(UTC) + timedelta(minutes=5)))
    (request,) = wiremock.requests()
    form = parse_qs(request["body"])
    assert (form["To"], form["From"], form["Body"]) == ([TO], [FROM], ["Overload: Line 7 is at 104 %"])
    assert form["StatusCallback"] == ["https://grid.example/cb"]
    assert 290 <= int(form["ValidityPeriod"][0]) <= 300


def test_a_messaging_service_is_used_instead_of_the_number(wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=201, json=taken())
    TwilioSms(account(wiremock.url, messaging_service_sid="MG" + "2" * 32)).send(sms())
    form = parse_qs(wiremock.requests()[0]["body"])
    assert form["MessagingServiceSid"] == ["MG" + "2" * 32]
    assert "From" not in form


def test_a_long_text_is_shortened_and_says_so(wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=201, json=taken())
    receipt = TwilioSms(account(wiremock.url)).send(sms(message="feeder " * 1000, subject=None))
    body = parse_qs(wiremock.requests()[0]["body"])["Body"][0]
    assert body.endswith("...")
    assert "6 SMS" in receipt.detail
    assert "shortened from 7000" in receipt.detail


@pytest.mark.parametrize(
    ("status", "code", "kind", "gone"),
    [
        (400, 21211, "permanent", False),
        (400, 21610, "permanent", True),
        (400, 21614, "permanent", True),
        (400, 21617, "permanent", False),
        (400, 21606, "configuration", False),
        (400, 21408, "configuration", False),
        (401, 20003, "configuration", False),
        (404, 20404, "configuration", False),
        (429, 20429, "retry", False),
        (400, 21611, "retry", False),
        (500, 20500, "ambiguous", False),
        (503, 20503, "ambiguous", False),
        (400, 99999, "permanent", False),
    ],
)
def test_twilio_s_refusals_are_told_apart(wiremock: WireMock, status: int, code: int, kind: str, gone: bool) -> None:
    wiremock.stub(
        "POST", MESSAGES, status=status, json={"code": code, "message": "why", "status": status},
        headers={"Retry-After": "11"},
    )  # fmt: skip
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.url)).send(sms())
    failure = caught.value
    assert (failure.kind, failure.disables_recipient, failure.status) == (kind, gone, status)
    if kind == "retry":
        assert failure.retry_after_s == 11.0


@pytest.mark.parametrize("fault", ["CONNECTION_RESET_BY_PEER", "EMPTY_RESPONSE", "MALFORMED_RESPONSE_CHUNK"])
def test_a_connection_that_breaks_after_the_request_left_is_ambiguous(wiremock: WireMock, fault: str) -> None:
    wiremock.stub("POST", MESSAGES, fault=fault)
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.url)).send(sms())
    assert caught.value.kind == "ambiguous"
    assert len(wiremock.requests()) == 1  # no library repeats it on its own


def test_a_timeout_after_the_request_left_is_ambiguous_and_not_repeated(wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=201, json=taken(), delay_ms=1500)
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.url, timeout_s=0.4)).send(sms())
    assert caught.value.kind == "ambiguous"
    time.sleep(0.1)
    assert len(wiremock.requests()) == 1


def test_an_answer_that_cannot_be_read_is_ambiguous(wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=201, headers={"Content-Type": "text/html"})
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.url)).send(sms())
    assert caught.value.kind == "ambiguous"


def test_a_certificate_that_is_not_trusted_is_no_doubt_and_may_be_repeated(wiremock: WireMock) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.https_url)).send(sms())
    assert caught.value.kind == "retry"
    assert wiremock.requests() == []


def test_nobody_listening_is_no_doubt_and_may_be_repeated() -> None:
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(f"http://127.0.0.1:{free_port()}")).send(sms())
    assert caught.value.kind == "retry"


def listed(wiremock: WireMock, *messages: dict[str, Any]) -> None:
    wiremock.stub("GET", MESSAGES, json={"messages": list(messages), "next_page_uri": None, "page": 0, "page_size": 50})


def test_a_message_that_twilio_took_is_found_and_not_sent_again(wiremock: WireMock) -> None:
    listed(wiremock, taken("delivered", "another text"), taken("sent"))
    receipt = TwilioSms(account(wiremock.url)).reconcile(sms(), datetime.now(UTC) - timedelta(seconds=3))
    assert receipt is not None
    assert (receipt.provider_id, receipt.status) == ("SM" + "1" * 32, "sent")
    (request,) = wiremock.requests()
    assert {"To=%2B355691234567", "From=%2B15005550006"} <= set(request["url"].partition("?")[2].split("&"))


def test_the_same_text_of_an_hour_before_is_another_message(wiremock: WireMock) -> None:
    started_at = datetime.now(UTC) - timedelta(minutes=2)
    listed(wiremock, taken("delivered", at=started_at - timedelta(hours=1)))
    assert TwilioSms(account(wiremock.url)).reconcile(sms(), started_at) is None


def test_a_message_that_is_not_listed_yet_is_looked_for_again(wiremock: WireMock) -> None:
    listed(wiremock)
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.url)).reconcile(sms(), datetime.now(UTC) - timedelta(seconds=2))
    assert caught.value.kind == "retry"
    assert 20 < (caught.value.retry_after_s or 0) <= 30


@pytest.mark.parametrize("status", [500, 429])
def test_a_question_without_answer_may_be_put_again(wiremock: WireMock, status: int) -> None:
    wiremock.stub("GET", MESSAGES, status=status, json={"code": 20000, "message": "no", "status": status})
    with pytest.raises(DeliveryFailed) as caught:
        TwilioSms(account(wiremock.url)).reconcile(sms(), datetime.now(UTC))
    assert caught.value.kind == "retry"


def test_missing_settings_are_named() -> None:
    with pytest.raises(DeliveryFailed, match="TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER") as caught:
        TwilioSms(channels()).send(sms())
    assert caught.value.kind == "configuration"


def test_an_expired_message_is_not_sent(wiremock: WireMock) -> None:
    with pytest.raises(DeliveryFailed, match="expired"):
        TwilioSms(account(wiremock.url)).send(sms(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert wiremock.requests() == []


def test_neither_token_nor_number_nor_text_reaches_the_log(
    wiremock: WireMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wiremock.stub("POST", MESSAGES, status=201, json=taken())
    channel = TwilioSms(account(wiremock.url))
    channel.send(sms())
    wiremock.reset()
    wiremock.stub("POST", MESSAGES, status=400, json={"code": 21617, "message": "too long", "status": 400})
    with pytest.raises(DeliveryFailed) as caught:
        channel.send(sms())
    said = caplog.text + str(caught.value) + repr(vars(channel))
    assert not [word for word in ("t0p-s3cret", TO, "Line 7") if word in said]
