"""A client's HTTP/1.1 connection: from bytes to requests, from answers to bytes, one after the other.

The parser is llhttp (httptools). There is no ASGI server between it and the REST face, because that costs a thread or
a task, two messages and a dictionary a request: more than the run of a small model.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools

from tf_serving.embedded.http_exchange import Request, Response

if TYPE_CHECKING:
    from tf_serving.embedded.http_server import HttpServer

_STATUS_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HTML = [(b"content-type", b"text/html")]

_LARGEST_HEAD = 256 * 1024
_MOST_WAITING = 16  # requests that a client has sent ahead; more are left in its socket


class HttpConnection(asyncio.Protocol):
    """Made by an HttpServer for every client that connects."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._head_bytes, self._head_began = 0, 0.0  # of the request line and headers that are coming in
        self._in_head = self._in_request = self._choked = self._ending = False
        self.heard = server.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by name
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.lost(self)
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self.heard = self._server.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # answered as if nothing had been said of other protocols
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self._refuse(431)

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for its answers."""
        self._ending = True
        return self._task is not None

    # --- the parser calls these

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = True
        self._head_bytes, self._head_began = 0, self.heard

    def on_url(self, url: bytes) -> None:
        self._request.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        request, parser = self._request, self._parser
        request.method = parser.get_method().decode("latin-1")
        request.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        request.one_zero = parser.get_http_version() == "1.0"
        if request.header(b"expect").lower() == b"100-continue" and self._task is None:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._request.body.append(body)

    def on_message_complete(self) -> None:
        request, self._request = self._request, Request()
        self._in_request = False
        if self._ending:
            return  # nothing counts after a request that ends the connection
        if self._task is not None:
            self._waiting.append(request)
            self._read_or_not()
            return
        response = self._server.answer(request)
        if isinstance(response, Response):
            self._write(request, response)
        else:
            self._task = asyncio.create_task(self._one_after_the_other(request, response))

    # --- answers

    async def _one_after_the_other(self, request: Request, response: Response | Awaitable[Response]) -> None:
        try:
            while True:
                self._write(request, response if isinstance(response, Response) else await response)
                if not self._waiting or self._transport.is_closing():
                    break
                request = self._waiting.popleft()
                self._read_or_not()
                response = self._server.answer(request)
        finally:
            self._task = None
        if self._ending:
            self._transport.close()

    def _write(self, request: Request, response: Response) -> None:
        body, headers = response.body, b"date: " + self._server.date
        for name, value in response.headers:
            headers += b"\r\n" + name + b": " + value
        last = not request.keep_alive or self._server.stopping
        if last:
            headers += b"\r\nconnection: close"
        elif request.one_zero:
            headers += b"\r\nconnection: keep-alive"
        line = _STATUS_LINES.get(response.status) or b"HTTP/1.1 %d Unknown\r\n" % response.status
        head = b"%b%b\r\ncontent-length: %d\r\n\r\n" % (line, headers, len(body))
        self._transport.write(head if request.method == "HEAD" else head + body)
        self.heard = self._server.time()
        if last:
            self._ending = True
            self._transport.close()

    def _refuse(self, status: int) -> None:
        """Answer what cannot be read, as the last on this connection."""
        if self._task is None and not self._ending:
            request = Request()
            request.keep_alive = False
            phrase = HTTPStatus(status).phrase
            page = f"<HTML><HEAD>\n<TITLE>{status} {phrase}</TITLE>\n</HEAD><BODY>\n<H1>{phrase}</H1>\n</BODY></HTML>\n"
            self._write(request, Response(status, page.encode(), _HTML))
        self._ending = True
        if self._task is None:
            self._transport.close()

    # --- how much is taken, and for how long

    def pause_writing(self) -> None:
        """The client does not read its answers: take no more questions."""
        self._choked = True
        self._read_or_not()

    def resume_writing(self) -> None:
        self._choked = False
        self._read_or_not()

    def _read_or_not(self) -> None:
        if self._transport.is_closing():
            return
        if self._choked or len(self._waiting) >= _MOST_WAITING:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def finish(self) -> None:
        """End as soon as nothing is under way."""
        if self._task is None and not self._in_request:
            self._transport.close()

    def expire(self, now: float, idle_s: float, head_s: float) -> None:
        """End if nothing has come for `idle_s`, or a head is not complete after `head_s`."""
        if self._task is None and (now - self.heard > idle_s or (self._in_head and now - self._head_began > head_s)):
            self._transport.abort()

    def abort(self) -> None:
        """End now."""
        self._transport.abort()
