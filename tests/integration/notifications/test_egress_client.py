"""The client connects to exactly the address that the policy looked at."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_certificate import LoopbackCertificate
from raw_receiver import RawReceiver, answer

from smartgrid.channel_settings import Egress
from smartgrid.notifications.egress import EgressPolicy, EgressRefused
from smartgrid.notifications.egress_client import EgressClient, egress_client
from smartgrid.notifications.name_lookup import NameNotFound

LIMITS: Any = {"timeout_s": 3.0, "limit_bytes": 4096}
LOOPBACK = Egress(allow=("127.0.0.0/8",))


class ChangingName:
    """A name server whose answer changes with every question, as one under an attacker's control does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.questions = list(answers), 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.questions += 1
        return self.answers[min(self.questions, len(self.answers)) - 1]


def test_a_name_that_changes_after_the_check_gains_nothing() -> None:
    name = ChangingName(["127.0.0.1"], ["10.0.0.1"])
    with RawReceiver(answer("204 No Content")) as receiver:
        client = EgressClient(EgressPolicy(LOOPBACK, name))
        assert client.post(f"http://rebound.example:{receiver.port}/", b"{}", {}, **LIMITS).status == 204
    assert name.questions == 1
    assert f"host: rebound.example:{receiver.port}".encode() in receiver.requests[0].lower()


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["10.0.0.1"], ["172.16.0.1", "192.168.1.1"], ["::ffff:10.0.0.1"], ["fd00:ec2::254"]],
)
def test_a_name_that_leads_inside_is_refused_before_connecting(addresses: list[str]) -> None:
    client = EgressClient(EgressPolicy(LOOPBACK, ChangingName(addresses)))
    with pytest.raises(EgressRefused):
        client.post("http://public.example/", b"{}", {}, **LIMITS)


def test_a_silent_name_server_takes_no_more_than_the_time_of_the_request() -> None:
    silent = threading.Event()

    def resolver(_host: str, _port: int) -> list[str]:
        silent.wait(30)
        return ["127.0.0.1"]

    began = time.monotonic()
    with pytest.raises(NameNotFound):
        EgressClient(EgressPolicy(LOOPBACK, resolver)).post("http://a.example/", b"", {}, timeout_s=0.3, limit_bytes=1)
    assert time.monotonic() - began < 3
    silent.set()


def test_tls_is_verified_by_the_name_although_the_number_is_connected(certificate: LoopbackCertificate) -> None:
    context, asked = certificate.server_context(), []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with RawReceiver(answer("200 OK"), context) as receiver:
        egress = LOOPBACK.model_copy(update={"ca_file": certificate.ca})
        client = EgressClient(EgressPolicy(egress, ChangingName(["127.0.0.1"])))
        assert client.post(f"https://hook.example:{receiver.port}/", b"{}", {}, **LIMITS).status == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.post(f"https://another.example:{receiver.port}/", b"{}", {}, **LIMITS)
    assert asked == ["hook.example", "another.example"]
    assert len(receiver.requests) == 1
    assert isinstance(context, ssl.SSLContext)


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with RawReceiver(answer("204 No Content")) as receiver:
        client = EgressClient(EgressPolicy(LOOPBACK, ChangingName(["127.0.0.2", "127.0.0.1"])))
        assert client.post(f"http://two.example:{receiver.port}/", b"{}", {}, **LIMITS).status == 204


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with RawReceiver(answer("204 No Content")) as receiver:
        client = EgressClient(EgressPolicy(LOOPBACK))
        assert client.post(receiver.url, b"{}", {}, **LIMITS).status == 204


@pytest.fixture
def keeping_server() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    clients: list[tuple[str, int]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            clients.append(self.client_address)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", clients
    server.shutdown()
    server.server_close()


def test_connections_are_kept_between_messages(keeping_server: tuple[str, list[tuple[str, int]]]) -> None:
    url, clients = keeping_server
    for _ in range(5):
        egress_client(LOOPBACK).post(url, b"{}", {}, **LIMITS)
    assert len(set(clients)) == 1


def test_many_threads_share_one_client(keeping_server: tuple[str, list[tuple[str, int]]]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    url, clients = keeping_server

    def one(number: int) -> int:
        return egress_client(LOOPBACK).post(url, str(number).encode(), {}, **LIMITS).status

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert set(pool.map(one, range(200))) == {204}
    assert len(set(clients)) <= 8


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_is_typed_as_an_address_is_refused_in_one_of_the_documented_ways(host: str, rest: str) -> None:
    client = EgressClient(EgressPolicy(LOOPBACK, ChangingName(["10.0.0.1"])))
    for url in (f"http://{host}/{rest}", f"https://{host}:8080?{rest}", f"http://a.example{rest}", f"http:{host}"):
        with pytest.raises((EgressRefused, httpx.InvalidURL, httpx.TransportError)):
            client.post(url, b"{}", {}, **LIMITS)
