"""Bodies that are too large are refused before anybody holds them in memory."""

from __future__ import annotations

import json
from typing import Any

from fastapi import HTTPException

LIMIT_BYTES = 2 * 1024 * 1024
# A client that sends everything before it looks at the answer would see a broken connection instead of the answer.
DISCARD_BYTES = 64 * 1024 * 1024


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `limit_bytes`, announced or not."""

    def __init__(self, app: Any, limit_bytes: int = LIMIT_BYTES) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _announced(scope) > self._limit_bytes:
            await self._refuse(receive, send)
            return
        received, begun = 0, False

        async def counted() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                # An HTTPException, because FastAPI answers 400 to any other that reading a body raises.
                raise HTTPException(413)
            return message

        async def unless_refused(message: Any) -> None:
            nonlocal begun
            if received <= self._limit_bytes or begun:
                begun = True
                await send(message)

        await self._app(scope, counted, unless_refused)
        if received > self._limit_bytes and not begun:
            await self._refuse(receive, send)

    async def _refuse(self, receive: Any, send: Any) -> None:
        message = f"The body has more than {self._limit_bytes} bytes: send smaller batches."
        body = json.dumps({"detail": [{"loc": ["body"], "msg": message, "type": "body_too_large"}]}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        discarded = 0
        while discarded < DISCARD_BYTES:
            event = await receive()
            discarded += len(event.get("body", b""))
            if event["type"] != "http.request" or not event.get("more_body", False):
                break
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _announced(scope: Any) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
