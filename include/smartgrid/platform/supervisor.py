"""Start, ask and stop the process supervisor (supervisord), and clean up after one that was killed."""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartgrid.lake.files import write_bytes
from smartgrid.platform.errors import SupervisorFailed
from smartgrid.platform.identity import PROGRAM_VARIABLE, end, our_processes
from smartgrid.platform.programs import common_environment, make_folders
from smartgrid.platform.supervisor_config import fingerprint, remove_socket, render, socket_path
from smartgrid.settings import Settings

STOP_TIMEOUT_S = 60
START_TIMEOUT_S = 20
UNREACHABLE = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor knows of one program."""

    name: str
    state: str
    pid: int | None
    uptime_s: float
    note: str = ""

    @property
    def running(self) -> bool:
        return self.state == "RUNNING"


@contextmanager
def platform_lock(settings: Settings) -> Iterator[None]:
    """One start or stop at a time."""
    path = settings.home / "run" / "platform.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def states(settings: Settings) -> list[ProcessState] | None:
    """State of every program, or None if no supervisor answers."""
    try:
        entries: Any = _rpc(settings).supervisor.getAllProcessInfo()
    except UNREACHABLE:
        return None
    return [
        ProcessState(
            name=entry["name"],
            state=entry["statename"],
            pid=entry["pid"] or None,
            uptime_s=max(0.0, float(entry["now"] - entry["start"])) if entry["pid"] else 0.0,
            note=entry["spawnerr"],
        )
        for entry in entries
    ]


def is_current(settings: Settings) -> bool:
    """Whether a supervisor answers that was started with these settings."""
    record = _fingerprint_file(settings)
    return (
        states(settings) is not None and record.exists() and record.read_text(encoding="utf-8") == fingerprint(settings)
    )


def start(settings: Settings) -> None:
    """Start the supervisor and its programs; where it runs, start the programs that gave up."""
    current = states(settings)
    if current is not None and is_current(settings):
        for process in current:
            if process.state in ("STOPPED", "EXITED", "FATAL"):
                _rpc(settings).supervisor.startProcess(process.name, False)
        return
    stop(settings)
    make_folders(settings)
    configuration = settings.home / "run" / "supervisord.conf"
    write_bytes(str(configuration), render(settings).encode())
    write_bytes(str(_fingerprint_file(settings)), fingerprint(settings).encode())
    environment = dict(os.environ) | common_environment(settings) | {PROGRAM_VARIABLE: "supervisord"}
    # It detaches itself, so that Ctrl-C in this terminal does not reach it.
    result = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    log = settings.home / "logs" / "supervisord.log"
    if result.returncode != 0:
        raise SupervisorFailed((result.stderr or result.stdout).strip(), log)
    deadline = time.monotonic() + START_TIMEOUT_S
    while states(settings) is None:
        if time.monotonic() > deadline:
            raise SupervisorFailed("it does not answer on its socket", log)
        time.sleep(0.1)


def stop(settings: Settings) -> int:
    """End the supervisor, its programs and everything they left behind; return how many processes ended."""
    before = our_processes(settings.home)
    try:
        # All at once: `shutdown` alone stops one after the other.
        _rpc(settings).supervisor.stopAllProcesses(False)
        _rpc(settings).supervisor.shutdown()
    except UNREACHABLE:
        pass  # no supervisor answers: its programs, if any, are ended below
    else:
        supervisors = [process for process in before if _is_supervisor(process)]
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(process.is_running() for process in supervisors) and time.monotonic() < deadline:
            time.sleep(0.2)
    # Steps run in sessions of their own, and a killed supervisor stops nothing.
    end(our_processes(settings.home))
    remove_socket(settings)
    return len(before)


def _is_supervisor(process: Any) -> bool:
    import psutil

    try:
        return bool(process.environ().get(PROGRAM_VARIABLE) == "supervisord")
    except psutil.Error:
        return False


def _fingerprint_file(settings: Settings) -> Path:
    return settings.home / "run" / "fingerprint"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


def _rpc(settings: Settings) -> Any:
    return xmlrpc.client.ServerProxy(  # the answer comes from our own supervisor over a private socket
        "http://localhost/RPC2", transport=_UnixTransport(str(socket_path(settings)))
    )
