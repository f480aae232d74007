"""Runs the network faces on one event loop in a thread of its own: ASGI applications on h2corn, and others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvloop
from h2corn import Config, Server

from tf_serving.embedded.listeners import open_to_clients
from tf_serving.embedded.status import invalid

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

_SHUTDOWN_S = 10


@dataclass(frozen=True)
class Endpoint:
    """An application, where clients reach it, and how h2corn serves it there (fields of h2corn.Config)."""

    app: App
    listeners: Sequence[socket.socket]
    options: Mapping[str, Any] = field(default_factory=dict)


class Companion(Protocol):
    """What else serves on the same loop."""

    async def start(self) -> None:
        """Listen."""

    def stop_taking(self) -> None:
        """Take no more connections."""

    async def stopped(self) -> None:
        """Until what was under way is done."""


class AsgiServer:
    """Serves from `start` to `stop`."""

    def __init__(self, endpoints: Sequence[Endpoint], companions: Sequence[Companion] = ()) -> None:
        self._endpoints, self._companions = endpoints, companions
        self._servers: list[Server] = []
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settled = threading.Event()
        self._problem: BaseException | None = None

    def start(self) -> None:
        """Listen, and return when clients can connect.

        Raises:
            OSError: it cannot listen.
            ServingError: h2corn cannot use its options.
        """
        self._servers = [Server(endpoint.app, _config(endpoint)) for endpoint in self._endpoints]
        self._thread.start()
        self._settled.wait()
        if self._problem is not None:
            self._thread.join()
            raise invalid(f"cannot serve: {self._problem}")

    def stop(self) -> None:
        """Take no more connections and finish the requests under way."""
        self.stop_taking()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve())
            finally:
                self._settled.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = [asyncio.create_task(server.serve()) for server in self._servers]
        try:
            await asyncio.gather(*(server.wait_started() for server in self._servers))
            for companion in self._companions:
                await companion.start()
        except (OSError, ValueError, RuntimeError) as error:
            self._problem = error
            self.stop_taking()
        self._settled.set()
        for ended in await asyncio.gather(*serving, return_exceptions=True):
            if ended is not None and self._problem is None:
                log.error("the network stopped with: %s", ended)
        for companion in self._companions:
            await companion.stopped()

    def stop_taking(self) -> None:
        """Take no more connections; from any thread."""
        for server in self._servers:
            server.shutdown()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all with it
                self._loop.call_soon_threadsafe(self._stop_companions)

    def _stop_companions(self) -> None:
        for companion in self._companions:
            companion.stop_taking()


def _config(endpoint: Endpoint) -> Config:
    for listener in endpoint.listeners:
        open_to_clients(listener)
    return Config(
        bind=tuple(f"fd://{listener.fileno()}" for listener in endpoint.listeners),
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        **endpoint.options,
    )
