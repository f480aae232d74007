"""Push over APNs: HTTP/2 and TLS against WireMock, which no library of ours checks."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from loopback_certificate import LoopbackCertificate
from notification_counterparts import channels, delivery
from wiremock_server import WireMock

from smartgrid.notifications.channels.apns_token import provider_token
from smartgrid.notifications.channels.push_apns import ApnsPush
from smartgrid.notifications.errors import DeliveryFailed

DEVICE = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"
PATH = f"/3/device/{DEVICE}"


class SigningKey:
    """A .p8 file as Apple gives it."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = key.public_key()
        self.pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.path = folder / "apns.p8"
        self.path.write_text(self.pem)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey(tmp_path)


@pytest.fixture
def apns(key: SigningKey, wiremock: WireMock, certificate: LoopbackCertificate) -> ApnsPush:
    return channel(key, wiremock, certificate)


def channel(key: SigningKey, wiremock: WireMock, certificate: LoopbackCertificate, **fields: Any) -> ApnsPush:
    config = {
        "key_path": key.path, "key_id": "ABC1234567", "team_id": "DEF7654321", "bundle_id": "com.smartgrid.app",
        "base_url": wiremock.https_url, **fields,
    }  # fmt: skip
    return ApnsPush(channels(apns=config, egress={"ca_file": certificate.ca}))


def failure_of(apns: ApnsPush) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        apns.send(delivery("push", DEVICE))
    return caught.value


def test_the_notification_goes_over_http_2_with_a_token_that_the_public_key_verifies(
    apns: ApnsPush, key: SigningKey, wiremock: WireMock
) -> None:
    wiremock.stub("POST", PATH, headers={"apns-id": "EC1BF194-B3B2-424A-89A9-5A918A6E6B5D"})
    sent = delivery("push", DEVICE, priority="critical", data={"zone": "Z4"})
    receipt = apns.send(sent)
    assert (receipt.provider_id, receipt.detail) == ("EC1BF194-B3B2-424A-89A9-5A918A6E6B5D", "apns: HTTP/2")
    (request,) = wiremock.requests()
    assert request["protocol"] == "HTTP/2.0"
    headers = {name.lower(): value for name, value in request["headers"].items()}
    token = headers["authorization"].removeprefix("bearer ")
    claims = jwt.decode(token, key.public_key, algorithms=["ES256"])
    assert (claims["iss"], jwt.get_unverified_header(token)["kid"]) == ("DEF7654321", "ABC1234567")
    assert abs(claims["iat"] - time.time()) < 60
    assert (headers["apns-topic"], headers["apns-push-type"], headers["apns-priority"]) == (
        "com.smartgrid.app", "alert", "10",
    )  # fmt: skip
    assert headers["apns-id"] == headers["apns-collapse-id"] == sent.delivery_id
    body = json.loads(request["body"])
    assert body["aps"]["alert"] == {"title": "Overload", "body": "Line 7 is at 104 %"}
    assert body["zone"] == "Z4"


def test_one_token_serves_all_messages_of_the_process(
    key: SigningKey, wiremock: WireMock, certificate: LoopbackCertificate
) -> None:
    wiremock.stub("POST", PATH)
    for _ in range(5):
        channel(key, wiremock, certificate).send(delivery("push", DEVICE))
    assert len({request["headers"]["authorization"] for request in wiremock.requests()}) == 1


def test_many_threads_send_at_once(apns: ApnsPush, wiremock: WireMock) -> None:
    from concurrent.futures import ThreadPoolExecutor

    wiremock.stub("POST", PATH)
    with ThreadPoolExecutor(max_workers=8) as pool:
        receipts = list(pool.map(lambda _: apns.send(delivery("push", DEVICE)), range(60)))
    assert {receipt.status for receipt in receipts} == {"accepted"}
    # A request that met a closing connection is repeated under its own id, which is its collapse id, too: shown once.
    sent = [{name.lower(): value for name, value in request["headers"].items()} for request in wiremock.requests()]
    assert len({headers["apns-id"] for headers in sent}) == 60


@pytest.mark.parametrize(
    ("status", "reason", "kind", "gone"),
    [
        (410, "Unregistered", "permanent", True),
        (410, "ExpiredToken", "permanent", True),
        (400, "BadDeviceToken", "permanent", False),
        (400, "DeviceTokenNotForTopic", "permanent", False),
        (400, "BadTopic", "configuration", False),
        (400, "BadMessageId", "permanent", False),
        (413, "PayloadTooLarge", "permanent", False),
        (403, "InvalidProviderToken", "configuration", False),
        (429, "TooManyRequests", "retry", False),
        (429, "TooManyProviderTokenUpdates", "retry", False),
        (500, "InternalServerError", "retry", False),
        (503, "Shutdown", "retry", False),
    ],
)
def test_the_refusals_of_apns_are_told_apart(
    apns: ApnsPush, wiremock: WireMock, status: int, reason: str, kind: str, gone: bool
) -> None:
    wiremock.stub("POST", PATH, status=status, json={"reason": reason, "timestamp": 1}, headers={"Retry-After": "8"})
    failure = failure_of(apns)
    assert (failure.kind, failure.disables_recipient, failure.status) == (kind, gone, status)
    assert failure.retry_after_s == (8.0 if kind == "retry" else None)
    assert reason in failure.reason


def test_a_token_that_apple_calls_expired_is_renewed_once(apns: ApnsPush, key: SigningKey, wiremock: WireMock) -> None:
    expired = {"reason": "ExpiredProviderToken"}
    wiremock.stub("POST", PATH, status=403, json=expired, scenario=("token", "Started", "renewed"))
    wiremock.stub("POST", PATH, scenario=("token", "renewed", "renewed"))
    token = provider_token(os.getpid(), key.path, "ABC1234567", "DEF7654321")
    token.current()
    token._made_at -= 120  # made two minutes ago
    assert apns.send(delivery("push", DEVICE)).status == "accepted"
    first, second = (request["headers"]["authorization"] for request in wiremock.requests())
    assert first != second


@pytest.mark.parametrize("how", [{"delay_ms": 1500}, {"fault": "EMPTY_RESPONSE"}])
def test_without_an_answer_it_is_tried_again_later(
    key: SigningKey, wiremock: WireMock, certificate: LoopbackCertificate, how: Any
) -> None:
    wiremock.stub("POST", PATH, **how)
    assert failure_of(channel(key, wiremock, certificate, timeout_s=0.4)).kind == "retry"
    wiremock.reset()
    wiremock.stub("POST", PATH)
    assert channel(key, wiremock, certificate, timeout_s=5).send(delivery("push", DEVICE)).status == "accepted"


def test_a_server_of_another_authority_is_not_trusted(key: SigningKey, wiremock: WireMock) -> None:
    config = {
        "key_path": key.path, "key_id": "K", "team_id": "T", "bundle_id": "b", "base_url": wiremock.https_url,
    }  # fmt: skip
    failure = failure_of(ApnsPush(channels(apns=config)))
    assert "CERTIFICATE_VERIFY_FAILED" in failure.reason


def test_missing_settings_are_named() -> None:
    failure = failure_of(ApnsPush(channels(apns={"key_id": "K"})))
    assert failure.kind == "configuration"
    assert "APNS_KEY_PATH, APNS_TEAM_ID, APNS_BUNDLE_ID" in failure.reason


@pytest.mark.parametrize("content", [None, "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_file_that_is_no_key_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "apns.p8"
    if content is not None:
        path.write_text(content)
    config = {"key_path": path, "key_id": "K", "team_id": "T", "bundle_id": "b"}
    failure = failure_of(ApnsPush(channels(apns=config)))
    assert (failure.kind, "APNS_KEY_PATH" in failure.reason) == ("configuration", True)


@pytest.mark.parametrize("recipient", ["", "../../1/apps", "ab cd", "ab\r\ncd", "ab?x=1"])
def test_what_is_no_device_token_never_becomes_part_of_an_address(
    apns: ApnsPush, wiremock: WireMock, recipient: str
) -> None:
    with pytest.raises(DeliveryFailed, match="hexadecimal"):
        apns.send(delivery("push", recipient))
    assert wiremock.requests() == []


def test_neither_device_token_nor_jwt_reaches_the_log(
    apns: ApnsPush, key: SigningKey, wiremock: WireMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wiremock.stub("POST", PATH)
    apns.send(delivery("push", DEVICE))
    wiremock.stub("POST", PATH, status=500, priority=1)
    said = caplog.text + str(failure_of(apns))
    jwt_sent = wiremock.requests()[0]["headers"]["authorization"].removeprefix("bearer ")
    assert not [word for word in (DEVICE, jwt_sent, key.pem[40:80]) if word in said]
