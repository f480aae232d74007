"""Web Push against an independent push service, which checks the VAPID signature and decrypts as a browser does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from local_server import LocalServer
from node_tools import node_modules, node_server
from notification_counterparts import channels, delivery
from pydantic import SecretStr
from raw_receiver import RawReceiver, answer
from serving_process import free_port
from wiremock_server import WireMock

from smartgrid.channel_settings import Channels
from smartgrid.notifications.channel import Endpoint
from smartgrid.notifications.channels.push_webpush import WebPushChannel
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.webpush_keys import new_vapid_keys

KEYS = new_vapid_keys()


def settings(**fields: Any) -> Channels:
    given = {"vapid_private_key": KEYS.private_key, "vapid_subject": "mailto:admin@smartgrid.example", **fields}
    return channels(webpush=given)


CHANNEL = WebPushChannel(settings())


@pytest.fixture(scope="module")
def push_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    port, log = free_port(), tmp_path_factory.mktemp("webpush") / "log"
    script = node_modules() / "web-push-testing" / "src" / "bin" / "server.js"
    with node_server(script, log, str(port), port=port) as server:
        yield server


@pytest.fixture
def browser(push_service: LocalServer) -> dict[str, Any]:
    """A subscription as `pushManager.subscribe` gives it, with the `clientHash` by which the service knows it."""
    body = {"applicationServerKey": KEYS.public_key, "userVisibleOnly": "true"}  # it reads text, no boolean
    return httpx.post(f"{push_service.url}/subscribe", json=body, trust_env=False).json()["data"]  # type: ignore[no-any-return]


def shown(push_service: LocalServer, browser: dict[str, Any]) -> list[Any]:
    body = {"clientHash": browser["clientHash"]}
    messages = httpx.post(f"{push_service.url}/get-notifications", json=body, trust_env=False).json()["data"][
        "messages"
    ]
    return [json.loads(message) for message in messages]


def at(url: str, browser: dict[str, Any]) -> Endpoint:
    return Endpoint("e1", url, (), {name: SecretStr(browser["keys"][name]) for name in ("p256dh", "auth")})


def test_the_browser_decrypts_the_message(push_service: LocalServer, browser: dict[str, Any]) -> None:
    sent = delivery(
        "push", "e1", platform="webpush", message="Überlast ⚡ 104 %", endpoint=at(browser["endpoint"], browser)
    )
    assert CHANNEL.send(sent).status == "accepted"
    (message,) = shown(push_service, browser)
    assert (message["title"], message["body"], message["tag"]) == ("Overload", "Überlast ⚡ 104 %", sent.delivery_id)


def test_the_subscription_s_own_json_is_a_recipient(push_service: LocalServer, browser: dict[str, Any]) -> None:
    CHANNEL.send(delivery("push", json.dumps(browser), platform="webpush"))
    assert len(shown(push_service, browser)) == 1


def test_a_message_of_the_largest_size_is_decrypted(push_service: LocalServer, browser: dict[str, Any]) -> None:
    spare = 3993 - len(json.dumps(delivery().delivery_id)) * 2 - 130
    CHANNEL.send(delivery("push", json.dumps(browser), platform="webpush", message="x" * spare))
    assert len(shown(push_service, browser)[0]["body"]) == spare


def test_a_message_signed_with_another_key_is_refused(push_service: LocalServer, browser: dict[str, Any]) -> None:
    stranger = WebPushChannel(settings(vapid_private_key=new_vapid_keys().private_key))
    with pytest.raises(DeliveryFailed):
        stranger.send(delivery("push", json.dumps(browser), platform="webpush"))
    assert shown(push_service, browser) == []


def test_an_ended_subscription_is_dead(push_service: LocalServer, browser: dict[str, Any]) -> None:
    httpx.post(f"{push_service.url}/expire-subscription/{browser['clientHash']}", trust_env=False).raise_for_status()
    with pytest.raises(DeliveryFailed) as caught:
        CHANNEL.send(delivery("push", json.dumps(browser), platform="webpush"))
    assert (caught.value.kind, caught.value.status, caught.value.disables_recipient) == ("permanent", 410, True)


def test_each_push_service_gets_claims_of_its_own_and_the_headers_of_the_standard(browser: dict[str, Any]) -> None:
    with (
        RawReceiver(answer("201 Created", b"", "Location: /message/m1")) as first,
        RawReceiver(answer("201 Created")) as other,
    ):
        sent = [
            delivery(
                "push", "e", platform="webpush", priority="critical", endpoint=at(f"{server.url}/p/s3cret", browser)
            )
            for server in (first, other)
        ]
        receipts = [CHANNEL.send(one) for one in sent]
    assert [receipt.provider_id for receipt in receipts] == ["m1", None]
    for server, one in zip((first, other), sent, strict=True):
        head = server.requests[0].partition(b"\r\n\r\n")[0].decode()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
        token = headers["authorization"].removeprefix("vapid t=").partition(",k=")[0]
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["aud"] == server.url
        assert headers["authorization"].endswith(f",k={KEYS.public_key}")
        assert (headers["ttl"], headers["urgency"], headers["content-encoding"]) == ("86400", "high", "aes128gcm")
        assert headers["topic"] == one.delivery_id.replace("-", "")
        assert b"Line 7" not in server.requests[0]


@pytest.mark.parametrize(
    ("status", "kind", "gone"),
    [(404, "permanent", True), (410, "permanent", True), (400, "permanent", False), (413, "permanent", False),
     (403, "permanent", False), (429, "retry", False), (500, "retry", False), (302, "permanent", False)],
)  # fmt: skip
def test_the_refusals_of_push_services_are_told_apart(
    wiremock: WireMock, browser: dict[str, Any], status: int, kind: str, gone: bool
) -> None:
    wiremock.stub("POST", "/p", status=status, headers={"Retry-After": "6", "Location": "http://169.254.169.254/"})
    with pytest.raises(DeliveryFailed) as caught:
        CHANNEL.send(delivery("push", "e", platform="webpush", endpoint=at(f"{wiremock.url}/p", browser)))
    failure = caught.value
    assert (failure.kind, failure.disables_recipient, failure.status) == (kind, gone, status)
    assert failure.retry_after_s == (6.0 if kind == "retry" else None)


def test_an_odd_address_of_a_subscription_is_its_own_failure_alone(browser: dict[str, Any]) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        CHANNEL.send(delivery("push", "e", platform="webpush", endpoint=at("https://[2606:4700::1111]/p", browser)))
    assert caught.value.kind == "permanent"


def test_a_subscription_cannot_lead_inside(browser: dict[str, Any]) -> None:
    closed = settings().model_copy(update={"egress": Channels().egress})
    for url in (browser["endpoint"], "http://169.254.169.254/latest/meta-data/"):
        with pytest.raises(DeliveryFailed, match=r"public internet|never reached") as caught:
            WebPushChannel(closed).send(delivery("push", "e", platform="webpush", endpoint=at(url, browser)))
        assert caught.value.kind == "permanent"


@pytest.mark.parametrize(
    "keys", [{"p256dh": "AAAA", "auth": "AAAA"}, {"p256dh": "%%", "auth": "%"}, {"p256dh": "", "auth": ""}]
)
def test_keys_that_no_browser_made_are_refused_for_good(keys: dict[str, str]) -> None:
    recipient = json.dumps({"endpoint": "http://127.0.0.1:9/", "keys": keys})
    with pytest.raises(DeliveryFailed, match="keys") as caught:
        CHANNEL.send(delivery("push", recipient, platform="webpush"))
    assert caught.value.kind == "permanent"


@pytest.mark.parametrize(
    "fields", [{"vapid_private_key": None}, {"vapid_subject": None}, {"vapid_private_key": "your-vapid-private-key"}]
)
def test_missing_and_wrong_keys_of_ours_are_named(browser: dict[str, Any], fields: dict[str, Any]) -> None:
    with pytest.raises(DeliveryFailed, match="VAPID_PRIVATE_KEY") as caught:
        WebPushChannel(settings(**fields)).send(delivery("push", json.dumps(browser), platform="webpush"))
    assert caught.value.kind == "configuration"


def test_neither_key_nor_address_reaches_the_log(browser: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with RawReceiver(answer("500 Oops")) as server, pytest.raises(DeliveryFailed) as caught:
        CHANNEL.send(delivery("push", "e", platform="webpush", endpoint=at(f"{server.url}/p/s3cret", browser)))
    said = caplog.text + str(caught.value)
    assert not [
        word for word in ("s3cret", KEYS.private_key.get_secret_value(), browser["keys"]["auth"]) if word in said
    ]
