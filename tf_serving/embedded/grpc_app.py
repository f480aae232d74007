"""The gRPC face as an ASGI application: paths to methods, frames to messages, errors to status codes.

HTTP/2 itself (streams, flow control, its limits) is the server's business, which runs this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tf_serving.embedded import grpc_wire
from tf_serving.embedded.asgi_server import Receive, Scope, Send
from tf_serving.embedded.dispatcher import Dispatcher
from tf_serving.embedded.inline_rule import LARGEST_BODY
from tf_serving.embedded.model_run import Steps
from tf_serving.embedded.status import Code, ServingError

log = logging.getLogger(__name__)

LARGEST_MESSAGE = 2**31 - 1
_LONGEST_REFUSED = 2**20

_ENCODED = {
    encoding: [
        (b"content-type", b"application/grpc"),
        *([(b"grpc-encoding", encoding)] if encoding else []),
        (b"grpc-accept-encoding", grpc_wire.ENCODINGS),
    ]
    for encoding in (b"", b"gzip", b"deflate")
}
_OK = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}


@dataclass(slots=True)
class Call:
    """What a method may ask about its call; `deadline` is one of time.monotonic."""

    deadline: float | None = None
    active: bool = True

    def is_active(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self.active


Predicting = Callable[[bytes, Call], Steps[bytes]]  # a method that runs a model
Answering = Callable[[bytes, Call], bytes]  # one that does not
Streaming = Callable[[bytes], AsyncGenerator[bytes, None]]  # one with many answers


@dataclass(frozen=True, slots=True)
class Methods:
    """All methods by path. Messages come and go as bytes; all but the streaming ones may raise ServingError."""

    predicting: Mapping[str, Predicting] = field(default_factory=dict)
    answering: Mapping[str, Answering] = field(default_factory=dict)
    streaming: Mapping[str, Streaming] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """The largest messages, and the compression of answers to clients that accept it (`gzip`, `deflate` or none)."""

    largest_received: int = LARGEST_MESSAGE
    largest_sent: int = LARGEST_MESSAGE
    encoding: bytes = b""


class GrpcApp:
    """Model runs go to `dispatcher`; methods that may wait for a while go to `others`, so that they hold up no run."""

    def __init__(self, methods: Methods, limits: GrpcLimits, dispatcher: Dispatcher, others: Dispatcher) -> None:
        self._methods, self._limits = methods, limits
        self._dispatcher, self._others = dispatcher, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        call = Call()
        content_type = timeout = encoding = accepted = te = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"grpc-timeout":
                timeout = value
            elif name == b"grpc-encoding":
                encoding = value
            elif name == b"grpc-accept-encoding":
                accepted = value
            elif name == b"te":
                te = value
        if scope["method"] != "POST":
            await _refuse(receive, send, 405, [(b"allow", b"POST")])
            return
        if not content_type.startswith(b"application/grpc") or content_type[16:17] not in (b"", b"+", b";"):
            await _refuse(receive, send, 415, [])
            return
        try:
            if timeout:
                seconds = grpc_wire.timeout_s(timeout)
                call.deadline = None if seconds is None else time.monotonic() + seconds
            if te != b"trailers":
                raise ServingError(Code.INTERNAL, "Missing :te header")
            grpc_wire.check_encoding(encoding)
            path = scope["path"]
            if path in self._methods.streaming:
                await self._stream(path, receive, send)
                return
            if path not in self._methods.predicting and path not in self._methods.answering:
                raise ServingError(Code.UNIMPLEMENTED, "Method not found!")
            body = await self._read(receive)
            if body is None:
                return
            answer_encoding = self._limits.encoding if self._limits.encoding in accepted else b""
            answer = await self._answer(path, body, encoding, answer_encoding, call)
        except ServingError as error:
            await _fail(send, error)
        except Exception:
            # A defect here must become an answer, and a line in the log.
            log.exception("%s failed", scope["path"])
            await _fail(send, ServingError(Code.INTERNAL, "Internal error of the embedded server; its log says more"))
        else:
            headers = _ENCODED[answer_encoding]
            await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
            await send({"type": "http.response.body", "body": answer})
            await send(_OK)
        finally:
            call.active = False

    async def _read(self, receive: Receive) -> list[bytes] | None:
        """The body in parts; None: the client went away.

        Raises:
            ServingError: it announces a message that is too large.
        """
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        parts = [event.get("body", b"")]
        if not event.get("more_body"):
            return parts
        announced = False
        size = 0
        while event.get("more_body"):
            size += len(parts[-1])
            if not announced and size >= grpc_wire.PREFIX_SIZE:
                announced = True
                start = parts[0] if len(parts[0]) >= grpc_wire.PREFIX_SIZE else b"".join(parts)
                length = int.from_bytes(start[1 : grpc_wire.PREFIX_SIZE], "big")
                grpc_wire.check_size("Received", length, self._limits.largest_received)
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            if event.get("body"):
                parts.append(event["body"])
        return parts

    async def _answer(
        self, path: str, parts: list[bytes], encoding: bytes, answer_encoding: bytes, call: Call
    ) -> bytes:
        method = self._methods.predicting.get(path)
        if method is None:
            work = partial(self._other, path, parts, encoding, answer_encoding, call)
            return await self._others.in_thread(work, call.deadline)
        small = sum(map(len, parts)) <= LARGEST_BODY and parts[0][:1] != b"\1"
        steps = self._steps(method, parts, encoding, answer_encoding, call)
        return await self._dispatcher.run(steps, call.deadline, small=small)

    def _steps(
        self, method: Predicting, parts: list[bytes], encoding: bytes, answer_encoding: bytes, call: Call
    ) -> Steps[bytes]:
        content = self._content(parts, encoding)
        parts.clear()  # a large body is not needed twice
        answer = yield from method(content, call)
        return self._framed(answer, answer_encoding)

    def _other(self, path: str, parts: list[bytes], encoding: bytes, answer_encoding: bytes, call: Call) -> bytes:
        return self._framed(self._methods.answering[path](self._content(parts, encoding), call), answer_encoding)

    def _content(self, parts: list[bytes], encoding: bytes) -> bytes:
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return grpc_wire.message(body, encoding, self._limits.largest_received)

    def _framed(self, answer: bytes, encoding: bytes) -> bytes:
        grpc_wire.check_size("Sent", len(answer), self._limits.largest_sent)
        return grpc_wire.framed(answer, encoding)

    async def _stream(self, path: str, receive: Receive, send: Send) -> None:
        body = await self._read(receive)
        if body is None:
            return
        answers = self._methods.streaming[path](self._content(body, b""))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _ENCODED[b""], "trailers": True})
            while not gone.done():
                following = asyncio.ensure_future(anext(answers, None))
                await asyncio.wait([following, gone], return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    return
                answer = following.result()
                if answer is None:
                    await send({"type": "http.response.body", "body": b""})
                    await send(_OK)
                    return
                await send({"type": "http.response.body", "body": grpc_wire.framed(answer, b""), "more_body": True})
        finally:
            gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _fail(send: Send, error: ServingError) -> None:
    """End the call with nothing but a status."""
    headers = [(b"content-type", b"application/grpc"), *grpc_wire.status(error)]
    if error.code is Code.UNIMPLEMENTED:
        headers.append((b"grpc-accept-encoding", grpc_wire.ENCODINGS))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(receive: Receive, send: Send, status: int, headers: list[grpc_wire.Header]) -> None:
    """Not gRPC: an answer in HTTP's own terms. One that came before all is sent could be taken for a fault."""
    left = _LONGEST_REFUSED
    while left > 0 and (event := await receive()).get("more_body"):
        left -= len(event.get("body", b""))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
