"""Ports must be free before anything starts."""

from __future__ import annotations

import socket

import psutil

from smartgrid.platform.errors import PortsTaken
from smartgrid.platform.identity import our_processes
from smartgrid.platform.programs import programs
from smartgrid.settings import Settings


def check_ports(settings: Settings) -> None:
    """Raise PortsTaken, naming the settings, if a program that is not ours listens where the platform should."""
    wanted = {name: port for program in programs(settings) for name, port in program.ports.items()}
    clashes = {port for port in wanted.values() if list(wanted.values()).count(port) > 1}
    ours = {process.pid for process in our_processes(settings.home)}
    taken: dict[str, tuple[int, str]] = {}
    for name, port in wanted.items():
        if port in clashes:
            others = sorted(other for other, its in wanted.items() if its == port and other != name)
            taken[name] = (port, " and ".join(others))
        elif not _is_free(port):
            pid = _listener(port)
            if pid not in ours or pid is None:
                taken[name] = (port, _describe(pid))
    if taken:
        raise PortsTaken(taken)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _listener(port: int) -> int | None:
    """Process that listens on `port`, where we may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return int(connection.pid) if connection.pid is not None else None
    return None


def _describe(pid: int | None) -> str:
    if pid is None:
        return "another program"
    try:
        return f"pid {pid} ({psutil.Process(pid).name()})"
    except psutil.NoSuchProcess:
        return f"pid {pid}"
