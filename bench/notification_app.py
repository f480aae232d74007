"""The notification API for bench/notifications.py: one operator, whose token is `operator`. Prints its port."""

import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import uvicorn
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from smartgrid.api.callers import Caller, Role
from smartgrid.api.notifications.app import build_app

BEARER = HTTPBearer(auto_error=False)
OPERATOR = Caller("bench", "operator")


def require(role: Role) -> Callable[..., Awaitable[Caller]]:
    async def caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Caller:
        if credentials is None or credentials.credentials != "operator" or not OPERATOR.may(role):
            raise HTTPException(401)
        return OPERATOR

    return caller


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(build_app(require), log_level="warning", access_log=False)).run(sockets=[listener])
