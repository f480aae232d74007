"""Answers every request with the same bytes, over the HTTP server that the embedded model server stands on.

`python serving_constant.py PORT`: what the load generator reaches here is the most that it could show of any server.
"""

from __future__ import annotations

import sys
from typing import Any

JSON = b'{"predictions": [[0.5]]}'
GRPC = b"\0\0\0\0\x05hello"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    await receive()
    grpc = scope["path"].startswith("/grpc")
    content_type = b"application/grpc" if grpc else b"application/json"
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]}
    await send({**start, "trailers": grpc})
    await send({"type": "http.response.body", "body": GRPC if grpc else JSON})
    if grpc:
        await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]})


async def serve(port: int) -> None:
    import h2corn

    await h2corn.Server(
        app, h2corn.Config(bind=(f"127.0.0.1:{port}",), lifespan="off", access_log=False, grpc=True)
    ).serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
