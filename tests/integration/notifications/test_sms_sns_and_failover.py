"""SMS over AWS SNS, against moto, which shows what was published; and the change from one provider to the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from local_server import LocalServer
from notification_counterparts import channels, delivery
from serving_process import free_port
from wiremock_server import WireMock

from smartgrid.channel_settings import Channels
from smartgrid.notifications.channels.sms import SmsChannel
from smartgrid.notifications.channels.sms_sns import AwsSnsSms
from smartgrid.notifications.errors import DeliveryFailed

TO = "+355691234567"
ACCOUNT = "AC" + "0" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@pytest.fixture(scope="module")
def _moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with LocalServer(command, tmp_path_factory.mktemp("moto") / "log", port=port) as server:
        yield server


@pytest.fixture
def moto(_moto: LocalServer) -> LocalServer:
    httpx.post(f"{_moto.url}/moto-api/reset", trust_env=False)
    return _moto


def published(moto: LocalServer) -> list[dict[str, Any]]:
    data = httpx.get(f"{moto.url}/moto-api/data.json", trust_env=False).json()
    return [message for message in data["sns"].get("SMS", []) if message]


def aws(base_url: str, **fields: Any) -> dict[str, Any]:
    return {"region": "us-east-1", "access_key_id": "AKIATEST", "secret_access_key": "4ws-s3cret", "base_url": base_url,
            **fields}  # fmt: skip


def twilio(base_url: str, **fields: Any) -> dict[str, Any]:
    return {"account_sid": ACCOUNT, "auth_token": "t", "phone_number": "+15005550006", "base_url": base_url, **fields}


def both(twilio_url: str, aws_url: str, **fields: Any) -> Channels:
    return channels(twilio=twilio(twilio_url, **fields), aws_sns=aws(aws_url))


def sms(**fields: Any) -> Any:
    return delivery("sms", fields.pop("recipient", TO), **fields)


def failure_of(settings: Channels, **fields: Any) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        SmsChannel(settings).send(sms(**fields))
    return caught.value


def test_the_message_arrives_at_sns(moto: LocalServer) -> None:
    receipt = AwsSnsSms(channels(aws_sns=aws(moto.url, sender_id="GRID"))).send(sms(priority="critical"))
    (message,) = published(moto)
    assert receipt.provider_id == message["message_id"]
    assert (message["phone_number"], message["message"]) == (TO, "Overload: Line 7 is at 104 %")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "Throttling", "retry"),
        (400, "InvalidParameter", "permanent"),
        (400, "OptedOut", "permanent"),
        (403, "AuthorizationError", "configuration"),
        (403, "InvalidClientTokenId", "configuration"),
        (500, "InternalFailure", "ambiguous"),
    ],
)
def test_the_refusals_of_sns_are_told_apart(wiremock: WireMock, status: int, code: str, kind: str) -> None:
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>why</Message></Error></ErrorResponse>"
    wiremock.stub("POST", "/", status=status, text=body, headers={"Content-Type": "text/xml", "Retry-After": "9"})
    failure = failure_of(channels(aws_sns=aws(wiremock.url)))
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.disables_recipient == (code == "OptedOut")
    assert failure.retry_after_s == (9.0 if kind == "retry" else None)
    assert len(wiremock.requests()) == 1


@pytest.mark.parametrize(
    "how", [{"fault": "CONNECTION_RESET_BY_PEER"}, {"fault": "EMPTY_RESPONSE"}, {"delay_ms": 1500}]
)
def test_a_request_without_answer_is_ambiguous_and_not_repeated(wiremock: WireMock, how: dict[str, Any]) -> None:
    wiremock.stub("POST", "/", **how)
    failure = failure_of(channels(aws_sns=aws(wiremock.url, timeout_s=0.4)))
    assert failure.kind == "ambiguous"
    assert len(wiremock.requests()) == 1


def test_nobody_listening_is_no_doubt_and_may_be_repeated() -> None:
    assert failure_of(channels(aws_sns=aws(f"http://127.0.0.1:{free_port()}"))).kind == "retry"


@pytest.mark.parametrize("broken", ["refused", "busy", "wrong keys"])
def test_the_second_provider_takes_over_when_the_first_surely_has_not_the_message(
    moto: LocalServer, wiremock: WireMock, broken: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}" if broken == "refused" else wiremock.url
    status, code = (429, 20429) if broken == "busy" else (401, 20003)
    wiremock.stub("POST", MESSAGES, status=status, json={"code": code, "message": "no", "status": status})
    receipt = SmsChannel(both(url, moto.url)).send(sms())
    assert receipt.detail.startswith("aws_sns")
    assert len(published(moto)) == 1


def test_the_order_of_the_settings_counts(moto: LocalServer, wiremock: WireMock) -> None:
    settings = both(wiremock.url, moto.url).model_dump() | {"sms": {"providers": ("aws_sns", "twilio")}}
    assert SmsChannel(Channels.model_validate(settings)).send(sms()).detail.startswith("aws_sns")
    assert wiremock.requests() == []


def test_a_wrong_number_is_not_offered_to_the_second_provider(moto: LocalServer, wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=400, json={"code": 21211, "message": "no", "status": 400})
    assert failure_of(both(wiremock.url, moto.url)).kind == "permanent"
    assert published(moto) == []


def test_an_ambiguous_message_is_not_offered_to_the_second_provider(moto: LocalServer, wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, fault="EMPTY_RESPONSE")
    assert failure_of(both(wiremock.url, moto.url)).kind == "ambiguous"
    assert published(moto) == []


def test_when_no_provider_takes_it_one_that_may_later_decides(wiremock: WireMock) -> None:
    wiremock.stub("POST", MESSAGES, status=401, json={"code": 20003, "message": "no", "status": 401})
    failure = failure_of(both(wiremock.url, f"http://127.0.0.1:{free_port()}"))
    assert failure.kind == "retry"
    assert "Twilio" in failure.reason
    assert "AWS SNS" in failure.reason


def test_without_a_provider_the_settings_are_named() -> None:
    failure = failure_of(channels())
    assert (failure.kind, "TWILIO_ACCOUNT_SID" in failure.reason) == ("configuration", True)


def test_the_provider_that_was_asked_is_the_one_that_is_asked_what_became_of_it(
    moto: LocalServer, wiremock: WireMock
) -> None:
    channel, message = SmsChannel(both(wiremock.url, moto.url)), sms()
    wiremock.stub("POST", MESSAGES, fault="EMPTY_RESPONSE")
    with pytest.raises(DeliveryFailed):
        channel.send(message)
    wiremock.stub("GET", MESSAGES, json={"messages": [], "next_page_uri": None, "page": 0, "page_size": 50})
    # Twilio was asked, and surely has it not: it may be sent again, although SNS is configured, too.
    assert channel.reconcile(message, datetime.now(UTC) - timedelta(minutes=1)) is None


def test_after_a_restart_with_two_providers_the_fate_may_stay_unknown(moto: LocalServer, wiremock: WireMock) -> None:
    wiremock.stub("GET", MESSAGES, json={"messages": [], "next_page_uri": None, "page": 0, "page_size": 50})
    restarted = SmsChannel(both(wiremock.url, moto.url))
    with pytest.raises(DeliveryFailed) as caught:
        restarted.reconcile(sms(), datetime.now(UTC) - timedelta(minutes=1))
    assert caught.value.kind == "ambiguous"


def test_no_key_reaches_the_log(moto: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    AwsSnsSms(channels(aws_sns=aws(moto.url))).send(sms())
    assert "4ws-s3cret" not in caplog.text
