"""A program that serves on a port of loopback, for as long as a test needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType


class LocalServer:
    """`with LocalServer(command, log, port=port) as server: server.url`.

    `scheme` is only for `url`. The program has a process group of its own, so that its children end with it.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        port: int,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 90.0,
    ) -> None:
        self.port, self.log = port, log
        self._command, self._env, self._cwd, self._timeout_s = list(command), env, cwd, timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> LocalServer:
        """Start and wait until the port accepts connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._env, cwd=self._cwd, start_new_session=True
            )
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, f"{self._command[0]} ended: {self.text()[-2000:]}"
                assert time.monotonic() < deadline, f"{self._command[0]} is not ready: {self.text()[-2000:]}"
                time.sleep(0.05)
            else:
                return self

    def stop(self) -> None:
        if self._process is None:
            return
        for ending in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, ending)
            except ProcessLookupError:
                break
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                continue
            break
        self._process.wait()
        self._process = None

    def text(self) -> str:
        """What the program printed."""
        return self.log.read_text(errors="replace")

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
