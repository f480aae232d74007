"""HTTP/1.1 as clients may speak it, and as they may not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from tf_serving.embedded import http_server
from tf_serving.embedded.http_exchange import Request, Response
from tf_serving.embedded.http_server import HttpServer

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def shown(request: Request) -> Response:
    return Response(200, f"{request.method} {request.target} {len(b''.join(request.body))}".encode())


def answer(request: Request) -> Response | Awaitable[Response]:
    """What was asked; `/later` waits, and longer the shorter its body is."""
    if not request.target.startswith("/later"):
        return shown(request)

    async def later() -> Response:
        await asyncio.sleep(0.1 if len(b"".join(request.body)) < 5 else 0.01)
        return shown(request)

    return later()


def with_server(talk: Talk, server_of: Callable[[HttpServer], None] = lambda _: None) -> None:
    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(answer, listener)
        server_of(server)
        await server.start()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            await asyncio.wait_for(talk(reader, writer), 10)
        finally:
            writer.close()
            server.stop_taking()
            await asyncio.wait_for(server.stopped(), 10)
            assert not server.connections

    asyncio.run(run())


async def one(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [int(line.split()[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return head, await reader.readexactly(length)


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths = [f"/later{n}" if n % 3 == 0 else f"/{n}" for n in range(60)]
        writer.write(b"".join(post(path, b"x" * (n % 7)) for n, path in enumerate(paths)))
        for n, path in enumerate(paths):
            assert (await one(reader))[1] == f"POST {path} {n % 7}".encode()

    with_server(talk)


def test_a_request_may_come_byte_by_byte() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in post("/slowly", b"body"):
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await one(reader))[1] == b"POST /slowly 4"

    with_server(talk)


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = post("/", b"body", "Expect: 100-continue")
        writer.write(whole[:-4])
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(whole[-4:])
        assert (await one(reader))[1] == b"POST / 4"

    with_server(talk)


def test_head_gets_no_body() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"content-length: 9" in await reader.readuntil(b"\r\n\r\n")
        assert (await one(reader))[1] == b"GET /b 0"

    with_server(talk)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"connection: close"),
        (b"GET / HTTP/1.0\r\n\r\n", b"connection: close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"connection: keep-alive"),
    ],
)
def test_the_connection_ends_or_stays_as_the_client_wants(asked: bytes, said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(asked)
        head, _ = await one(reader)
        assert said in head
        if said == b"connection: close":
            assert await reader.read() == b""
        else:
            writer.write(asked)
            assert said in (await one(reader))[0]

    with_server(talk)


def test_an_offer_of_another_protocol_is_answered_in_this_one() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n"
        )
        assert (await one(reader))[1] == b"GET /a 0"
        assert await reader.read() == b""

    with_server(talk)


def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/later", b""))
        writer.write_eof()
        assert (await one(reader))[1] == b"POST /later 0"
        assert await reader.read() == b""

    with_server(talk)


def test_a_head_without_end_is_refused() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 200_000 + b"\r\nB: " + b"x" * 200_000)
        head, _ = await one(reader)
        assert head.startswith(b"HTTP/1.1 431 ")

    with_server(talk)


def test_a_client_that_does_not_read_is_not_read() -> None:
    """10,000 questions of which the answers fill all buffers: the server takes no more than it can answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = post("/" + "x" * 2000, b"")
        writer.write(request * 10_000)
        await asyncio.sleep(0.3)
        for _ in range(10_000):
            await one(reader)

    with_server(talk)


def test_idle_and_dawdling_connections_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_TICK_S", 0.02)
    monkeypatch.setattr(http_server, "_HEAD_S", 0.3)
    monkeypatch.setattr(http_server, "_IDLE_S", 0.6)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        writer.write(b"GET / HT")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert 0.2 < loop.time() - began < 0.6

    with_server(talk)

    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await one(reader)
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - began > 0.5

    with_server(idle)


def test_what_is_under_way_at_the_end_is_answered_and_nothing_more_is_taken() -> None:
    taken: list[HttpServer] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/later", b""))
        await asyncio.sleep(0.03)
        taken[0].stop_taking()
        head, body = await one(reader)
        assert body == b"POST /later 0"
        assert b"connection: close" in head
        assert await reader.read() == b""

    with_server(talk, taken.append)
