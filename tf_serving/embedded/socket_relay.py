"""TLS on a Unix socket, which h2corn does not offer: what comes there is passed on, as it is, to a port with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from tf_serving.embedded.listeners import open_to_clients

_CHUNK = 256 * 1024


class SocketRelay:
    """Passes connections of `listener` on to `target`, another listener of this process."""

    def __init__(self, listener: socket.socket, target: socket.socket) -> None:
        self._listener, self._target = listener, target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Accept connections, on the running loop."""
        open_to_clients(self._listener)
        self._server = await asyncio.start_unix_server(self._pass_on, sock=self._listener.dup())

    def stop_taking(self) -> None:
        """Accept no more. What is connected ends with the other side."""
        if self._server is not None:
            self._server.close()

    async def stopped(self) -> None:
        """Until the last connection has ended."""
        if self._open:
            await asyncio.wait(self._open)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            host, port = self._target.getsockname()[:2]
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
            there, back = await asyncio.open_connection(host, port)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except OSError:
            writer.close()
        finally:
            self._open.discard(task)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One direction, until its end, which is passed on too."""
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    sink.close()
