"""A FastAPI application behind a real socket, and callers with fixed tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from smartgrid.api.callers import ROLES, Caller, Role

_scheme = HTTPBearer(auto_error=False)


def require(role: Role) -> Callable[..., Awaitable[Caller]]:
    """The token of each role is its name."""

    async def caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]) -> Caller:
        token = credentials.credentials if credentials else None
        if token not in ROLES:
            raise HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})
        found = Caller(f"the {token}", token)  # type: ignore[arg-type]
        if not found.may(role):
            raise HTTPException(403, f"The role {role} is needed.")
        return found

    return caller


def headers(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {role}"}


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Base URL of `app`, served by uvicorn in a thread of its own on a free port."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop"
