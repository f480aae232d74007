"""An HTTP/1.1 server on the running event loop."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate

from tf_serving.embedded.http_connection import HttpConnection
from tf_serving.embedded.http_exchange import Answer
from tf_serving.embedded.listeners import BACKLOG, open_to_clients

# Longer than a client's pause between forecasts: reconnecting costs more than a connection that is kept.
_IDLE_S, _HEAD_S = 75.0, 60.0
_TICK_S, _SWEEP_TICKS = 1.0, 5
_SHUTDOWN_S = 10.0


class HttpServer:
    """Answers what comes on `listener` with `answer`, which must not raise."""

    def __init__(self, answer: Answer, listener: socket.socket) -> None:
        self.answer, self._listener = answer, listener
        self.time = time.monotonic
        self.connections: set[HttpConnection] = set()
        self.stopping = False
        self.date = b""
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._empty: asyncio.Event
        self._ticks = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: another process has been faster.
        """
        self._loop, self._empty = asyncio.get_running_loop(), asyncio.Event()
        open_to_clients(self._listener)
        self._tick()
        self._server = await self._loop.create_server(
            lambda: HttpConnection(self), sock=self._listener, backlog=BACKLOG
        )

    def stop_taking(self) -> None:
        """Take no more connections and requests."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.finish()

    async def stopped(self) -> None:
        """Until what was under way is answered; what takes too long is cut off."""
        if self.connections:
            try:
                await asyncio.wait_for(self._empty.wait(), _SHUTDOWN_S)
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()

    def lost(self, connection: HttpConnection) -> None:
        """`connection` has ended."""
        self.connections.discard(connection)
        if self.stopping and not self.connections:
            self._empty.set()

    def _tick(self) -> None:
        self.date = formatdate(usegmt=True).encode()
        self._ticks += 1
        if self._ticks % _SWEEP_TICKS == 0:
            now = self.time()
            for connection in list(self.connections):
                connection.expire(now, _IDLE_S, _HEAD_S)
        if self._loop is not None:
            self._loop.call_later(_TICK_S, self._tick)
