"""The worker as a child process of the service: its own interpreter, so that sending does not slow accepting."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time

log = logging.getLogger(__name__)

FIRST_REST_S, LONGEST_REST_S = 0.1, 10.0
# A child that lived for so long was well: the next start need not wait.
WELL_AFTER_S = 30.0
STOP_WAIT_S = 30.0


class WorkerProcess:
    """Keeps one worker alive. It ends by itself when this process dies, because its standard input then ends."""

    def __init__(self, argv: tuple[str, ...] = (sys.executable, "-m", "smartgrid.notifications.worker")) -> None:
        self._argv = argv
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="worker-process", daemon=True)
        self.starts = 0

    def start(self) -> None:
        self._thread.start()

    @property
    def pid(self) -> int | None:
        with self._lock:
            return None if self._child is None or self._child.poll() is not None else self._child.pid

    def wake(self) -> None:
        """Tell the worker that something was added."""
        with self._lock:
            if self._child is None or self._child.stdin is None:
                return
            try:
                self._child.stdin.write(b"\n")
                self._child.stdin.flush()
            except OSError:
                # It has just died: its successor looks at everything anyway.
                return

    def stop(self) -> None:
        """Let the worker finish what is under way, then end it."""
        self._stopping.set()
        with self._lock:
            child = self._child
        if child is not None:
            child.terminate()
            try:
                child.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                child.kill()
        self._thread.join(5)

    def _keep(self) -> None:
        rest_s = FIRST_REST_S
        while not self._stopping.is_set():
            began = time.monotonic()
            with self._lock:
                self._child = subprocess.Popen(self._argv, stdin=subprocess.PIPE)
            self.starts += 1
            code = self._child.wait()
            if self._stopping.is_set():
                return
            rest_s = FIRST_REST_S if time.monotonic() - began > WELL_AFTER_S else min(LONGEST_REST_S, rest_s * 2)
            log.warning("the worker ended with %d; another one begins in %.1f s", code, rest_s)
            self._stopping.wait(rest_s)
