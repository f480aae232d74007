"""Bodies that are too large are refused while they arrive; nobody holds them in memory."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from fastapi import HTTPException

# How much of a refused body is read and thrown away, and for how long: a client that only looks at the answer after
# it has sent everything would otherwise see a broken connection instead of the answer.
DISCARD_BYTES = 1024 * 1024 * 1024
DISCARD_S = 10.0


class BodyTooLarge(HTTPException):
    """More bytes arrived than are allowed. An HTTPException: FastAPI hides others that reading a body raises."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `limit_bytes`, announced or not."""

    def __init__(self, app: Any, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._announced(scope) > self._limit_bytes:
            await self._refuse(receive, send)
            return
        received = 0

        async def counted() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise BodyTooLarge
            return message

        async def unless_refused(message: Any) -> None:
            if received <= self._limit_bytes:
                await send(message)

        await self._app(scope, counted, unless_refused)
        if received > self._limit_bytes:
            await self._refuse(receive, send)

    @staticmethod
    def _announced(scope: Any) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0

    async def _refuse(self, receive: Any, send: Any) -> None:
        limit = f"at most {self._limit_bytes:,} bytes"
        fault = {
            "field": "body",
            "limit": limit,
            "message": f"body: too large, allowed are {limit}. Put the data into the lake and name them as `dataset`.",
            "type": "body_too_large",
        }
        body = json.dumps({"detail": [fault]}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        # The client can read this already; the answer ends when the rest of its body is out of the way.
        await send({"type": "http.response.body", "body": body, "more_body": True})
        discarded, ends = 0, time.monotonic() + DISCARD_S
        while discarded < DISCARD_BYTES and time.monotonic() < ends:
            try:
                message = await asyncio.wait_for(receive(), ends - time.monotonic())
            except TimeoutError:
                break
            discarded += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        await send({"type": "http.response.body", "body": b"", "more_body": False})
