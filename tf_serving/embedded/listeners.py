"""The sockets that clients connect to. Taken at the start, but closed to clients until the first models are loaded."""

from __future__ import annotations

import contextlib
import socket
import stat
from pathlib import Path

BACKLOG = 4096


def bind_tcp(face: str, host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Take a port without listening yet: connections are refused. `shared`: other processes of this user that say so
    too may take the same port; each gets a share of the connections.

    Raises:
        OSError: the port is taken.
    """
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise OSError(f"cannot serve {face} on {host}:{port}: {error}") from None
    return taken


def bind_unix(face: str, path: Path) -> socket.socket:
    """Take the path of a Unix socket; one that was left there by another server is replaced.

    Raises:
        OSError: it cannot be taken.
    """
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        taken.bind(str(path))
    except OSError as error:
        taken.close()
        raise OSError(f"cannot serve {face} on unix:{path}: {error}") from None
    return taken


def open_to_clients(listener: socket.socket) -> None:
    """From now on connections are accepted.

    Raises:
        OSError: another process has been faster.
    """
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {address(listener)}: {error}") from None


def address(listener: socket.socket) -> str:
    """As people write it."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def close(listener: socket.socket) -> None:
    """Give the port or path back."""
    if listener.family == socket.AF_UNIX:
        with contextlib.suppress(OSError):  # somebody has removed or replaced it
            Path(listener.getsockname()).unlink()
    listener.close()
