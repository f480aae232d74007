"""Push over FCM: against a mock made of Google's own API description, and against FCM's bad days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from api_descriptions import api_description
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from local_server import LocalServer
from node_tools import prism_mock
from notification_counterparts import channels, delivery
from serving_process import free_port
from wiremock_server import WireMock

from smartgrid.notifications.channels.fcm_account import SCOPE
from smartgrid.notifications.channels.push_fcm import QUOTA_WAIT_S, FcmPush
from smartgrid.notifications.errors import DeliveryFailed

SEND = "/v1/projects/smart-grid/messages:send"


class ServiceAccount:
    """A key file as Google gives it, whose tokens come from `token_uri`."""

    def __init__(self, folder: Path, token_uri: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = key.public_key()
        self.pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.path = folder / "service-account.json"
        self.path.write_text(
            json.dumps(
                {
                    "type": "service_account", "project_id": "smart-grid", "private_key_id": "k1",
                    "private_key": self.pem, "client_email": "push@smart-grid.iam.example", "client_id": "1",
                    "token_uri": token_uri,
                }
            )
        )  # fmt: skip


@pytest.fixture
def account(tmp_path: Path, wiremock: WireMock) -> ServiceAccount:
    wiremock.stub("POST", "/token", json={"access_token": "ya29.s3cret", "expires_in": 3600, "token_type": "Bearer"})
    return ServiceAccount(tmp_path, f"{wiremock.url}/token")


def channel(account: ServiceAccount, base_url: str, **fields: Any) -> FcmPush:
    return FcmPush(channels(fcm={"service_account_file": account.path, "base_url": base_url, **fields}))


def failure_of(account: ServiceAccount, wiremock: WireMock, **fields: Any) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        channel(account, wiremock.url, **fields).send(delivery("push", "tok"))
    return caught.value


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    description = api_description("fcm_v1_openapi_from_discovery.json")
    with prism_mock(description, tmp_path_factory.mktemp("prism") / "fcm.log") as server:
        yield server


@pytest.mark.parametrize("recipient", ["fcm-device-token", "fid:cH3kQ9"])
@pytest.mark.parametrize("priority", ["low", "critical"])
def test_the_request_is_what_google_s_description_asks_for(
    prism: LocalServer, account: ServiceAccount, recipient: str, priority: str
) -> None:
    sent = delivery("push", recipient, priority=priority, data={"load_kw": 12.5, "zone": "Z4"})
    receipt = channel(account, prism.url).send(sent)
    assert receipt.status == "accepted"


def test_a_project_that_the_description_forbids_is_refused(prism: LocalServer, account: ServiceAccount) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        channel(account, prism.url, project_id="NOT A PROJECT").send(delivery("push", "tok"))
    assert caught.value.kind in ("permanent", "configuration")


def test_google_is_asked_for_a_token_signed_by_the_account_and_once(
    account: ServiceAccount, wiremock: WireMock
) -> None:
    wiremock.stub("POST", SEND, json={"name": "projects/smart-grid/messages/0:1"})
    for _ in range(3):
        receipt = channel(account, wiremock.url).send(delivery("push", "tok"))
    assert receipt.provider_id == "projects/smart-grid/messages/0:1"
    asked, *sent = wiremock.requests()
    assertion = parse_qs(asked["body"])["assertion"][0]
    claims = jwt.decode(assertion, account.public_key, algorithms=["RS256"], options={"verify_aud": False})
    assert (claims["scope"], claims["iss"]) == (SCOPE, "push@smart-grid.iam.example")
    assert [request["url"] for request in sent] == [SEND] * 3
    assert {request["headers"]["Authorization"] for request in sent} == {"Bearer ya29.s3cret"}


@pytest.mark.parametrize(
    ("status", "code", "kind", "gone", "wait_s"),
    [
        (404, "UNREGISTERED", "permanent", True, None),
        (404, "", "configuration", False, None),
        (400, "INVALID_ARGUMENT", "permanent", False, None),
        (403, "SENDER_ID_MISMATCH", "permanent", False, None),
        (403, "", "configuration", False, None),
        (401, "THIRD_PARTY_AUTH_ERROR", "configuration", False, None),
        (429, "QUOTA_EXCEEDED", "retry", False, QUOTA_WAIT_S),
        (503, "UNAVAILABLE", "retry", False, None),
        (500, "INTERNAL", "retry", False, None),
    ],
)
def test_the_refusals_of_fcm_are_told_apart(
    account: ServiceAccount, wiremock: WireMock, status: int, code: str, kind: str, gone: bool, wait_s: float | None
) -> None:
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}] if code else []
    error = {"code": status, "message": "why", "status": "WHATEVER", "details": details}
    wiremock.stub("POST", SEND, status=status, json={"error": error})
    failure = failure_of(account, wiremock)
    assert (failure.kind, failure.disables_recipient, failure.status) == (kind, gone, status)
    assert failure.retry_after_s == wait_s


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_fcm_asks_for_is_told(account: ServiceAccount, wiremock: WireMock, status: int) -> None:
    wiremock.stub("POST", SEND, status=status, text="busy", headers={"Retry-After": "90"})
    assert failure_of(account, wiremock).retry_after_s == 90.0


@pytest.mark.parametrize("how", [{"fault": "CONNECTION_RESET_BY_PEER"}, {"delay_ms": 1500}])
def test_without_an_answer_it_is_tried_again_later(account: ServiceAccount, wiremock: WireMock, how: Any) -> None:
    wiremock.stub("POST", SEND, **how)
    assert failure_of(account, wiremock, timeout_s=0.4).kind == "retry"


def test_a_withdrawn_token_is_replaced_at_the_next_attempt(account: ServiceAccount, wiremock: WireMock) -> None:
    wiremock.stub("POST", SEND, status=401, json={"error": {"status": "UNAUTHENTICATED"}})
    assert failure_of(account, wiremock).kind == "retry"
    wiremock.stub("POST", SEND, json={"name": "n"}, priority=1)
    channel(account, wiremock.url).send(delivery("push", "tok"))
    assert [request["url"] for request in wiremock.requests()] == ["/token", SEND, "/token", SEND]


@pytest.mark.parametrize(("status", "kind"), [(400, "configuration"), (503, "retry")])
def test_the_token_service_s_answer_tells_a_wrong_account_from_a_bad_day(
    tmp_path: Path, wiremock: WireMock, status: int, kind: str
) -> None:
    wiremock.stub("POST", "/token", status=status, json={"error": "invalid_grant" if status == 400 else "unavailable"})
    account = ServiceAccount(tmp_path, f"{wiremock.url}/token")
    failure = failure_of(account, wiremock)
    assert failure.kind == kind
    assert account.pem[60:100] not in str(failure)


def test_a_token_service_out_of_reach_is_tried_again_later(tmp_path: Path, wiremock: WireMock) -> None:
    account = ServiceAccount(tmp_path, f"http://127.0.0.1:{free_port()}/token")
    assert failure_of(account, wiremock).kind == "retry"


def test_the_key_of_the_legacy_api_is_told_to_be_of_no_use() -> None:
    with pytest.raises(DeliveryFailed, match=r"legacy API.*GOOGLE_APPLICATION_CREDENTIALS") as caught:
        FcmPush(channels(fcm={"server_key": "AAAA-s3cret", "project_id": "p"})).send(delivery("push", "tok"))
    assert caught.value.kind == "configuration"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "{}", "not json", '{"type":"authorized_user"}'])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DeliveryFailed, match=r"key\.json") as caught:
        FcmPush(channels(fcm={"service_account_file": path})).send(delivery("push", "tok"))
    assert caught.value.kind == "configuration"


def test_neither_token_nor_key_reaches_the_log(
    account: ServiceAccount, wiremock: WireMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wiremock.stub("POST", SEND, json={"name": "n"})
    channel(account, wiremock.url).send(delivery("push", "dev1ce-t0ken"))
    wiremock.stub("POST", SEND, status=500, priority=1)
    said = caplog.text + str(failure_of(account, wiremock))
    assert not [word for word in ("ya29", "dev1ce-t0ken", account.pem[60:100]) if word in said]
