"""Webhooks against receivers that are not ours, and against hostile ones."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import svix.webhooks
from local_server import LocalServer
from loopback_certificate import LoopbackCertificate
from node_tools import NODE_FOLDER, node_modules, node_server
from notification_counterparts import channels, delivery
from pydantic import SecretStr
from raw_receiver import RawReceiver, answer, reset
from serving_process import free_port
from wiremock_server import WireMock

from smartgrid.notifications.channel import Endpoint
from smartgrid.notifications.channels.webhook import WebhookChannel
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.signing import new_secret, receiver_secret

SECRET = new_secret()
CHANNEL = WebhookChannel(channels(webhook={"timeout_s": 2}))


def to(url: str, *secrets: str) -> Endpoint:
    return Endpoint("e1", url, tuple(SecretStr(secret) for secret in secrets or (SECRET,)))


def failed(url: str, channel: WebhookChannel = CHANNEL) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        channel.send(delivery(endpoint=to(url)))
    return caught.value


@pytest.fixture(scope="module")
def node_receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    node_modules()
    port, log = free_port(), tmp_path_factory.mktemp("node") / "receiver.log"
    with node_server(
        NODE_FOLDER / "webhook-receiver.cjs", log, port=port, PORT=str(port), RECEIVER_SECRET=SECRET
    ) as server:
        yield server


def received(node_receiver: LocalServer, message_id: str) -> list[dict[str, str]]:
    entries = httpx.get(f"{node_receiver.url}/received", trust_env=False).json()
    return [entry for entry in entries if entry["id"] == message_id]


def test_a_receiver_in_another_language_verifies_the_message(node_receiver: LocalServer) -> None:
    message = delivery(endpoint=to(f"{node_receiver.url}/hook"), message="Überlast — linja 7 në 104 % ⚡")
    receipt = CHANNEL.send(message)
    (entry,) = received(node_receiver, message.delivery_id)
    assert entry["payload"]["data"]["message"] == "Überlast — linja 7 në 104 % ⚡"  # type: ignore[index]
    assert (receipt.status, receipt.provider_id) == ("204", message.delivery_id)


def test_a_receiver_in_another_language_refuses_a_forged_message(node_receiver: LocalServer) -> None:
    forged = delivery(endpoint=to(f"{node_receiver.url}/hook", new_secret()))
    with pytest.raises(DeliveryFailed) as caught:
        CHANNEL.send(forged)
    assert (caught.value.status, caught.value.kind) == (401, "retry")
    assert received(node_receiver, forged.delivery_id) == []


def test_during_a_change_of_secrets_both_the_old_and_the_new_one_verify(node_receiver: LocalServer) -> None:
    message = delivery(endpoint=to(f"{node_receiver.url}/hook", new_secret(), SECRET))
    CHANNEL.send(message)
    (entry,) = received(node_receiver, message.delivery_id)
    assert len(entry["signature"].split(" ")) == 2


def test_the_id_stays_and_the_signature_is_new_at_each_attempt(node_receiver: LocalServer) -> None:
    message = delivery(endpoint=to(f"{node_receiver.url}/flaky"))
    kinds = []
    for _ in range(2):
        with pytest.raises(DeliveryFailed) as caught:
            CHANNEL.send(message)
        kinds.append((caught.value.kind, caught.value.status))
        time.sleep(1.01)  # the timestamp counts whole seconds
    CHANNEL.send(message)
    entries = received(node_receiver, message.delivery_id)
    assert kinds == [("retry", 503)] * 2
    assert len({entry["timestamp"] for entry in entries}) == len({entry["signature"] for entry in entries}) == 3


def test_the_library_of_svix_verifies_the_exact_bytes_sent() -> None:
    with RawReceiver(answer("200 OK")) as receiver:
        CHANNEL.send(delivery(endpoint=to(f"{receiver.url}/a?b=c", "webhook-secret-key")))
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    verifier = svix.webhooks.Webhook(receiver_secret("webhook-secret-key"))
    verifier.verify(body, headers)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        verifier.verify(body.replace(b"104", b"004"), headers)
    assert json.loads(body)["data"]["subject"] == "Overload"


@pytest.mark.parametrize(
    ("status", "kind", "wait_s"),
    [(429, "retry", 7.0), (500, "retry", 7.0), (503, "retry", 7.0), (404, "retry", 7.0), (400, "permanent", 7.0)],
)
def test_refusals_are_told_apart(wiremock: WireMock, status: int, kind: str, wait_s: float) -> None:
    wiremock.stub("POST", "/hook", status=status, headers={"Retry-After": "7"})
    failure = failed(f"{wiremock.url}/hook")
    assert (failure.kind, failure.status, failure.retry_after_s) == (kind, status, wait_s)


def test_gone_disables_the_endpoint(wiremock: WireMock) -> None:
    wiremock.stub("POST", "/hook", status=410)
    failure = failed(f"{wiremock.url}/hook")
    assert (failure.kind, failure.disables_recipient) == ("permanent", True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "/elsewhere"])
def test_a_redirect_is_a_failure_and_is_not_followed(wiremock: WireMock, status: int, target: str) -> None:
    wiremock.stub("POST", "/hook", status=status, headers={"Location": target})
    wiremock.stub("ANY", "/elsewhere")
    failure = failed(f"{wiremock.url}/hook")
    assert (failure.kind, failure.status) == ("permanent", status)
    assert [request["url"] for request in wiremock.requests()] == ["/hook"]


@pytest.mark.parametrize("fault", ["CONNECTION_RESET_BY_PEER", "EMPTY_RESPONSE", "RANDOM_DATA_THEN_CLOSE"])
def test_a_broken_connection_is_tried_again_later(wiremock: WireMock, fault: str) -> None:
    wiremock.stub("POST", "/hook", fault=fault)
    assert failed(f"{wiremock.url}/hook").kind == "retry"


def test_a_receiver_that_resets_is_tried_again_later() -> None:
    with RawReceiver(reset) as receiver:
        assert failed(receiver.url).kind == "retry"


def test_nobody_listening_is_tried_again_later() -> None:
    failure = failed(f"http://127.0.0.1:{free_port()}/hook")
    assert failure.kind == "retry"
    assert "cannot be reached" in failure.reason


def test_a_receiver_that_is_silent_holds_nobody_longer_than_the_time_limit() -> None:
    released = threading.Event()
    with RawReceiver(lambda _connection, _request: released.wait(20) and None) as receiver:
        began = time.monotonic()
        assert failed(receiver.url, WebhookChannel(channels(webhook={"timeout_s": 0.5}))).kind == "retry"
        assert time.monotonic() - began < 3
        released.set()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_receiver_that_sends_a_byte_now_and_then_holds_nobody_longer_than_the_time_limit(start: bytes) -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        for _ in range(100):
            connection.sendall(b"a")
            time.sleep(0.1)

    with RawReceiver(drip) as receiver:
        began = time.monotonic()
        assert failed(receiver.url, WebhookChannel(channels(webhook={"timeout_s": 0.7}))).kind == "retry"
        assert time.monotonic() - began < 3


def test_of_a_large_answer_only_the_beginning_is_read() -> None:
    sent = 0

    def flood(connection: socket.socket, _: bytes) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
        for _ in range(5000):
            sent += connection.send(b"x" * 100_000)

    with RawReceiver(flood) as receiver:
        began = time.monotonic()
        CHANNEL.send(delivery(endpoint=to(receiver.url)))
        assert time.monotonic() - began < 2
    time.sleep(0.2)
    assert sent < 20_000_000  # socket buffers hold the rest


def test_a_compressed_answer_is_not_unpacked() -> None:
    import gzip

    bomb = gzip.compress(b"0" * 50_000_000)
    with RawReceiver(answer("500 Oops", bomb, "Content-Encoding: gzip")) as receiver:
        assert len(failed(receiver.url).reason) < 400


def test_an_answer_cannot_forge_a_line_of_the_log() -> None:
    with RawReceiver(answer("500 Oops", b"no\r\nINFO all is well\x1b[2J\x00")) as receiver:
        assert failed(receiver.url).reason.isprintable()


def test_no_cookie_is_kept_for_the_next_message() -> None:
    with RawReceiver(answer("200 OK", b"", "Set-Cookie: session=1")) as receiver:
        for _ in range(2):
            CHANNEL.send(delivery(endpoint=to(receiver.url)))
    assert b"cookie" not in receiver.requests[1].lower()


def test_a_tls_receiver_is_verified_by_its_name(certificate: LoopbackCertificate) -> None:
    with RawReceiver(answer("200 OK"), certificate.server_context()) as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        trusting = WebhookChannel(channels(egress={"allow": ("127.0.0.0/8", "localhost"), "ca_file": certificate.ca}))
        assert trusting.send(delivery(endpoint=to(url))).status == "200"
        assert (
            "CERTIFICATE_VERIFY_FAILED"
            in failed(url, WebhookChannel(channels(egress={"allow": ("localhost",)}))).reason
        )


def test_a_secret_that_cannot_sign_is_its_own_receiver_s_failure_or_that_of_the_settings() -> None:
    with pytest.raises(DeliveryFailed) as caught:
        CHANNEL.send(delivery(endpoint=to("https://example.org/", "whsec_%%%")))
    assert (caught.value.kind, "%%%" in str(caught.value)) == ("permanent", False)
    of_settings = WebhookChannel(channels(webhook={"secret": "whsec_%%%"}))
    with pytest.raises(DeliveryFailed) as caught:
        of_settings.send(delivery(recipient="https://example.org/"))
    assert caught.value.kind == "configuration"


def test_a_file_of_authorities_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        failure = failed("https://127.0.0.1:9/", WebhookChannel(channels(egress={"ca_file": tmp_path / name})))
        assert (failure.kind, name in failure.reason) == ("configuration", True)


def test_a_private_address_is_refused_before_anything_is_sent() -> None:
    with RawReceiver(answer("200 OK")) as receiver:
        failure = failed(receiver.url, WebhookChannel(channels(egress={"allow": ()})))
    assert failure.kind == "permanent"
    assert receiver.requests == []


def test_no_secret_and_no_path_reaches_log_or_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with RawReceiver(answer("200 OK")) as receiver:
        CHANNEL.send(delivery(endpoint=to(f"{receiver.url}/services/T0KEN?key=K3Y", "pl41n-s3cret")))
    failure = failed(f"http://127.0.0.1:{receiver.port}/services/T0KEN?key=K3Y")
    said = caplog.text + str(failure) + repr(failure.__dict__)
    assert not [word for word in ("T0KEN", "K3Y", "pl41n-s3cret", SECRET) if word in said]
