"""The calls that send at once, with the arguments that their users write."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from local_server import LocalServer
from loopback_certificate import LoopbackCertificate
from own_settings import Configure
from raw_receiver import RawReceiver, answer
from serving_process import free_port
from wiremock_server import WireMock

from smartgrid.channel_settings import WELL_KNOWN_NAMES
from smartgrid.notifications import send_email, send_push_notification, send_sms, send_webhook, send_webhooks
from smartgrid.notifications.default_secret import default_secret
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.signing import ForgedWebhook, verify_webhook

ACCOUNT = "AC" + "0" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@pytest.fixture(autouse=True)
def environment(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing configured but that loopback may be reached."""
    for name in WELL_KNOWN_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMARTGRID_CHANNELS__EGRESS__ALLOW", "127.0.0.0/8,localhost")


def private_pem(key: Any) -> str:
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    return str(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password).decode())


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:]), body


def test_a_webhook_is_sent_with_a_plain_secret() -> None:
    with RawReceiver(answer("200 OK")) as receiver:
        result = send_webhook(
            url=f"{receiver.url}/webhook",
            payload={"message": "Alert", "severity": "high"},
            secret="webhook-secret-key",
        )
    headers, body = parts(receiver.requests[0])
    assert json.loads(body) == {"message": "Alert", "severity": "high"}
    verify_webhook(body, headers, ["webhook-secret-key"])
    with pytest.raises(ForgedWebhook):
        verify_webhook(body, headers, ["another"])
    assert (result["success"], result["status"], result["id"]) == (True, "sent", headers["webhook-id"])
    assert result["provider_status"] == "200"


def test_a_webhook_is_tried_again_with_the_same_id(wiremock: WireMock) -> None:
    wiremock.stub("POST", "/hook", status=503, scenario=("flaky", "Started", "well"))
    wiremock.stub("POST", "/hook", status=200, scenario=("flaky", "well", "well"))
    result = send_webhook(f"{wiremock.url}/hook", {"n": 1}, "k")
    ids = {request["headers"]["webhook-id"] for request in wiremock.requests()}
    assert (result["attempts"], ids) == (2, {result["id"]})


def test_a_webhook_that_is_refused_for_good_is_not_tried_again(wiremock: WireMock) -> None:
    wiremock.stub("POST", "/hook", status=422)
    with pytest.raises(DeliveryFailed) as caught:
        send_webhook(f"{wiremock.url}/hook", {"n": 1}, "k")
    assert (caught.value.kind, len(wiremock.requests())) == ("permanent", 1)


def test_a_receiver_that_wants_a_long_pause_gets_an_error_instead_of_a_sleep(wiremock: WireMock) -> None:
    wiremock.stub("POST", "/hook", status=429, headers={"Retry-After": "3600"})
    began = time.monotonic()
    with pytest.raises(DeliveryFailed) as caught:
        send_webhook(f"{wiremock.url}/hook", {"n": 1})
    assert caught.value.retry_after_s == 3600
    assert time.monotonic() - began < 5


def test_without_a_secret_the_one_of_the_settings_signs_or_else_the_one_of_this_home(
    monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    with RawReceiver(answer("200 OK")) as receiver:
        own = default_secret(configure())
        assert send_webhook(receiver.url, {})["detail"] == ""
        monkeypatch.setenv("WEBHOOK_SECRET", "of the settings")
        configure()
        assert send_webhook(receiver.url, {})["detail"] == ""
    for request, secret in zip(receiver.requests, (own.get_secret_value(), "of the settings"), strict=True):
        headers, body = parts(request)
        verify_webhook(body, headers, [secret])


def test_many_webhooks_are_sent_and_one_dead_receiver_stops_none() -> None:
    with RawReceiver(answer("200 OK")) as receiver:
        calls = [{"url": f"{receiver.url}/{number}", "payload": {"n": number}, "secret": "k"} for number in range(20)]
        calls.insert(7, {"url": "http://169.254.169.254/", "payload": {}, "secret": "k"})
        results = send_webhooks(calls)  # type: ignore[arg-type]
    assert [result["success"] for result in results] == [True] * 7 + [False] + [True] * 13
    assert "never reached" in results[7]["detail"]


@pytest.mark.parametrize("payload", [{"x": float("nan")}, {"x": "\ud800"}])
def test_a_payload_that_is_no_json_is_refused(payload: Any) -> None:
    with pytest.raises(DeliveryFailed, match="JSON"):
        send_webhook("https://example.org/", payload, "k")


def test_an_empty_secret_is_refused_instead_of_signing_with_nothing() -> None:
    with pytest.raises(DeliveryFailed, match="empty"):
        send_webhook("https://example.org/", {}, "")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with LocalServer(command, tmp_path_factory.mktemp("moto") / "log", port=port) as server:
        yield server


def test_an_sms_is_sent_by_the_provider_that_is_named(
    wiremock: WireMock, moto: LocalServer, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    for name, value in {
        "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "t", "TWILIO_PHONE_NUMBER": "+15005550006",
        "SMARTGRID_CHANNELS__TWILIO__BASE_URL": wiremock.url, "AWS_SNS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL_SNS": moto.url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    configure()
    wiremock.stub("POST", MESSAGES, status=201, json={"sid": "SM1", "status": "queued"})
    arguments = {"to_phone": "+1234567890", "message": "Critical alert: Sensor anomaly detected"}
    assert send_sms(**arguments, provider="twilio")["id"] == "SM1"
    by_aws = send_sms(**arguments, provider="aws_sns")
    ((sent,), data) = ([by_aws], httpx.get(f"{moto.url}/moto-api/data.json", trust_env=False).json())
    assert sent["id"] in json.dumps(data["sns"]["SMS"])
    assert send_sms(**arguments)["detail"].startswith("twilio")
    assert len(wiremock.requests()) == 2


def test_a_provider_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(DeliveryFailed, match=r"'pigeon'.*'twilio' or 'aws_sns'"):
        send_sms("+1234567890", "x", provider="pigeon")
    with pytest.raises(DeliveryFailed, match=r"fcm, apns or webpush"):
        send_push_notification("t", "a", "b", platform="pigeon")


def test_an_sms_of_unknown_fate_is_not_repeated(
    wiremock: WireMock, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    for name, value in {
        "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "t", "TWILIO_PHONE_NUMBER": "+15005550006",
        "SMARTGRID_CHANNELS__TWILIO__BASE_URL": wiremock.url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    configure()
    wiremock.stub("POST", MESSAGES, fault="EMPTY_RESPONSE")
    with pytest.raises(DeliveryFailed) as caught:
        send_sms("+1234567890", "x")
    assert (caught.value.kind, len(wiremock.requests())) == ("ambiguous", 1)


def test_a_push_is_sent_by_fcm(
    wiremock: WireMock, monkeypatch: pytest.MonkeyPatch, configure: Configure, tmp_path: Path
) -> None:
    key = {
        "type": "service_account", "project_id": "ignored", "private_key_id": "1", "client_email": "a@b.example",
        "private_key": private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "token_uri": f"{wiremock.url}/token",
    }  # fmt: skip
    (tmp_path / "key.json").write_text(json.dumps(key))
    wiremock.stub("POST", "/token", json={"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})
    wiremock.stub("POST", "/v1/projects/your-project-id/messages:send", json={"name": "projects/p/messages/1"})
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setenv("FCM_PROJECT_ID", "your-project-id")
    monkeypatch.setenv("FCM_SERVER_KEY", "left over")
    monkeypatch.setenv("SMARTGRID_CHANNELS__FCM__BASE_URL", wiremock.url)
    configure()
    result = send_push_notification(
        device_token="fcm-device-token",
        title="Smart Grid Alert",
        body="Anomaly detected in sensor network",
        platform="fcm",
        data={"sensor_id": "sensor_001", "severity": "high"},
    )
    assert (result["status"], result["id"]) == ("sent", "projects/p/messages/1")
    message = json.loads(wiremock.requests()[-1]["body"])["message"]
    assert message["token"] == "fcm-device-token"
    assert message["notification"] == {"title": "Smart Grid Alert", "body": "Anomaly detected in sensor network"}
    assert message["data"].items() >= {"sensor_id": "sensor_001", "severity": "high"}.items()


def test_a_push_is_sent_by_apns(
    wiremock: WireMock,
    certificate: LoopbackCertificate,
    monkeypatch: pytest.MonkeyPatch,
    configure: Configure,
    tmp_path: Path,
) -> None:
    (tmp_path / "key.p8").write_text(private_pem(ec.generate_private_key(ec.SECP256R1())))
    for name, value in {
        "APNS_KEY_PATH": str(tmp_path / "key.p8"), "APNS_KEY_ID": "K", "APNS_TEAM_ID": "T",
        "APNS_BUNDLE_ID": "com.smartgrid.app", "APNS_USE_SANDBOX": "true",
        "SMARTGRID_CHANNELS__APNS__BASE_URL": wiremock.https_url,
        "SMARTGRID_CHANNELS__EGRESS__CA_FILE": str(certificate.ca),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    configure()
    wiremock.stub("POST", "/3/device/ab12")
    result = send_push_notification(device_token="ab12", title="T", body="B", platform="apns", data={})
    assert (result["status"], wiremock.requests()[0]["protocol"]) == ("sent", "HTTP/2.0")


def test_what_is_not_configured_is_named() -> None:
    for call, name in (
        (lambda: send_sms("+1234567890", "x", provider="twilio"), "TWILIO_AUTH_TOKEN"),
        (lambda: send_sms("+1234567890", "x", provider="aws_sns"), "AWS_SNS_REGION"),
        (lambda: send_push_notification("t", "a", "b"), "GOOGLE_APPLICATION_CREDENTIALS"),
        (lambda: send_push_notification("t", "a", "b", platform="apns"), "APNS_KEY_ID"),
        (lambda: send_email("a@b.example", "s", "m"), "SMTP_HOST"),
    ):
        with pytest.raises(DeliveryFailed, match=name) as caught:
            call()
        assert caught.value.kind == "configuration"
