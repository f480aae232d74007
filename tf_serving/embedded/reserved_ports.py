"""Ports that the parent of workers holds for them: nobody else can take them, and only the workers listen.

Each worker binds the TCP ports for itself (SO_REUSEPORT), and the kernel gives each a share of the connections. That
alone would let a second server of the same user join in silence. A Unix socket cannot be bound twice: the workers
inherit it, and whoever is free takes the next connection.
"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from types import TracebackType

from tf_serving.embedded import listeners


class ReservedPorts:
    """Held until the block ends. `unix_socket` is None where the flags name none.

    Raises:
        OSError: somebody else has one.
    """

    def __init__(self, flags: argparse.Namespace) -> None:
        self.unix_socket: socket.socket | None = None
        self._held: list[socket.socket] = []
        try:
            for port, face in {flags.rest_api_port: "REST", flags.port: "gRPC"}.items():
                if port:
                    self._held.append(listeners.bind_tcp(face, flags.bind_address, port))
            if flags.grpc_socket_path:
                self.unix_socket = listeners.bind_unix("gRPC", Path(flags.grpc_socket_path))
                self._held.append(self.unix_socket)
        except OSError:
            self.close()
            raise
        for held in self._held:
            if held is not self.unix_socket:
                # Only now, when it is sure that nobody else listens: from here on our own workers may.
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def close(self) -> None:
        """Give them back."""
        for held in self._held:
            listeners.close(held)

    def __enter__(self) -> ReservedPorts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
