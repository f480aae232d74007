"""The HTTP client for addresses that users name: it connects to the very address that the policy looked at, follows
no redirect, keeps no cookie, heeds no proxy variable, and ends on time however slowly the other side answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpcore
import httpx

from smartgrid.channel_settings import Egress
from smartgrid.notifications.egress import EgressPolicy
from smartgrid.notifications.name_lookup import LOOKUP_TIMEOUT_S
from smartgrid.notifications.tls_trust import tls_context

WRITE_AT_ONCE_BYTES = 65_536

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@dataclass(frozen=True)
class Answer:
    """What came back: no more of the body than was asked for."""

    status: int
    headers: httpx.Headers
    body: bytes
    took_s: float


class EgressClient:
    """One for each process and policy: `egress_client(...)`. Safe to call from several threads."""

    def __init__(self, policy: EgressPolicy) -> None:
        self.policy = policy
        # The layer below httpx.Client, which lets the connecting be ours and has no cookies, proxies, redirects and
        # unpacking to switch off. It knows connections by the name in the address, not by the number that was
        # connected to: two hosts on one machine never share a TLS session.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls_context(policy.egress.ca_file),
            max_connections=200,
            max_keepalive_connections=100,
            keepalive_expiry=30.0,
            network_backend=_PolicyBackend(policy),
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, limit_bytes: int) -> Answer:
        """POST `body` and read at most `limit_bytes` of the answer, all within `timeout_s`.

        Raises:
            EgressRefused, NameNotFound: from the policy.
            httpx.InvalidURL: the address cannot be asked for.
            httpx.TransportError: no answer.
        """
        self.policy.check_url(url)
        target = httpx.URL(url)
        began = time.monotonic()
        token = _deadline.set(began + timeout_s)
        # Compressed answers could be much larger than their bytes: they are not asked for.
        sent = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "SmartGrid-Notifications/1", **headers}
        request = httpcore.Request(
            "POST",
            httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
            headers=[("host", target.netloc.decode("ascii")), *sent.items(), ("content-length", str(len(body)))],
            content=body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)},
        )
        try:
            with closing(self._pool.handle_request(request)) as response:
                received = bytearray()
                for part in response.iter_stream():
                    received += part[: limit_bytes - len(received)]
                    if len(received) >= limit_bytes:
                        break
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            # The exceptions of both layers have the same names; callers know httpx's alone.
            raise getattr(httpx, type(error).__name__)(str(error)) from None
        finally:
            _deadline.reset(token)
        return Answer(response.status, httpx.Headers(response.headers), bytes(received), time.monotonic() - began)


def egress_client(egress: Egress) -> EgressClient:
    """The client of this process with this policy."""
    return _client_of(os.getpid(), egress)


@lru_cache(maxsize=16)
def _client_of(_process: int, egress: Egress) -> EgressClient:
    # By process: a forked child must not share its parent's connections.
    return EgressClient(EgressPolicy(egress))


class _PolicyBackend(httpcore.NetworkBackend):
    """Resolves a name once, asks the policy about every address, and connects to one of those by number."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy, self._sockets = policy, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        lookup_s = min(LOOKUP_TIMEOUT_S, _left(timeout) or LOOKUP_TIMEOUT_S)
        for address in self._policy.addresses(host, port, lookup_s):
            try:
                stream = self._sockets.connect_tcp(address, port, _left(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream)
        raise failure or httpcore.ConnectError("no address")


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step counts against the deadline of the request, so that a receiver that sends a byte
    now and then does not hold a worker for ever."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream, self._unsent = stream, bytearray()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # A receiver may answer and close before it has read everything: the answer counts.
        with suppress(httpcore.WriteError):
            self._flush(timeout)
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Head and body go out together: as two packets the second one waits for the receiver twice.
        self._unsent += buffer
        if len(self._unsent) >= WRITE_AT_ONCE_BYTES:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        if self._unsent:
            unsent, self._unsent = bytes(self._unsent), bytearray()
            self._stream.write(unsent, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(
    timeout_s: float | None, timed_out: type[httpcore.TimeoutException] = httpcore.ConnectTimeout
) -> float | None:
    """Seconds that a step may still take."""
    deadline = _deadline.get()
    if deadline is None:
        return timeout_s
    left = deadline - time.monotonic()
    if left <= 0:
        raise timed_out("the time for this request is used up")
    return left if timeout_s is None else min(timeout_s, left)
