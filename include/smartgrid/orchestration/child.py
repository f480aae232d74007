"""A guarded child process whose lines are handed over as they are written. Knows nothing of Airflow."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from smartgrid.orchestration.guard import GRACE_S

GUARD = Path(__file__).with_name("guard.py")
TAIL_LINES = 20
LINE_BYTES = 8192  # a longer line is cut in pieces: a progress bar without line ends must not fill the memory
# Marks every process of one step; only used to find leftovers should the guard itself be killed.
MARK = "SG_STEP_MARK"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass
class ChildOutcome:
    """How it ended: `exit_code` (128 + n: killed by signal n) and the last lines of standard error."""

    exit_code: int
    stderr_tail: list[str] = field(default_factory=list)


class GuardedChild:
    """Starts `command` under the guard. `run` streams its lines; `kill` ends it with all its descendants."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        # -I: neither the caller's PYTHONPATH nor this folder shadows a module of the guard.
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(GUARD), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, MARK: self._mark},
            start_new_session=True,
            bufsize=0,
        )

    def run(self, on_line: Callable[[str], None]) -> ChildOutcome:
        """Call `on_line` with each line of both streams until the process ends. One thread; safe to interrupt."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        tail: deque[str] = deque(maxlen=TAIL_LINES)

        def on_error_line(line: str) -> None:
            tail.append(line)
            on_line(line)

        try:
            with selectors.DefaultSelector() as selector:
                for stream, take in ((self.process.stdout, on_line), (self.process.stderr, on_error_line)):
                    selector.register(stream, selectors.EVENT_READ, _Lines(stream, take))
                while selector.get_map():
                    ready = selector.select(timeout=1.0)
                    for key, _ in ready:
                        lines: _Lines = key.data
                        if not lines.read():
                            selector.unregister(key.fileobj)
                    if not ready and self.process.poll() is not None:
                        break  # the guard was killed, and something that it guarded holds the streams open
            code = self.process.wait()
        finally:
            self.kill()
            self.process.stdout.close()
            self.process.stderr.close()
        if code < 0:
            code = 128 - code
        return ChildOutcome(code, list(tail))

    def kill(self) -> None:
        """End the process and all its descendants. Safe to call at any time, from a signal handler too."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()  # the guard sees the pipe close
        try:
            code = self.process.wait(timeout=GRACE_S + 2)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait()
        if code < 0:
            _kill_marked(self._mark)
        # The streams stay open: `run` may be waiting on them, interrupted by the signal that called this.


class _Lines:
    """Splits what a pipe delivers into lines."""

    def __init__(self, stream: IO[bytes], take: Callable[[str], None]) -> None:
        self._descriptor, self._take, self._rest = stream.fileno(), take, b""

    def read(self) -> bool:
        """Hand over the lines that are there; False at the end of the stream."""
        chunk = os.read(self._descriptor, 65536)
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        while len(self._rest) > LINE_BYTES or (self._rest and not chunk):
            lines.append(self._rest[:LINE_BYTES])
            self._rest = self._rest[LINE_BYTES:]
        for line in lines:
            if line.strip():
                self._take(line.decode("utf-8", errors="replace"))
        return bool(chunk)


def _kill_marked(mark: str) -> None:
    """The guard was killed itself: find what it guarded by the mark in the environment."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
