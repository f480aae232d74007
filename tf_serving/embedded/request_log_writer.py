"""Appends records to TFRecord files in a thread of its own: a request only hands over what is to be written."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tf_serving.embedded.tfrecord import framed

log = logging.getLogger(__name__)

_MOST_WAITING = 1000
_COMPLAIN_S = 60.0
_STOP_S = 10.0

Build = Callable[[], bytes]


class RequestLogWriter:
    """When more is handed over than can be written, the surplus is dropped and counted: requests never wait."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[str, Build] | None] = queue.Queue(_MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lost = 0
        self._complained_at = -_COMPLAIN_S

    def put(self, filename_prefix: str, build: Build) -> None:
        """Have what `build` makes appended to the files with this prefix. `build` runs in the writer's thread."""
        if self._thread is None:
            self._start()
        try:
            self._waiting.put_nowait((filename_prefix, build))
        except queue.Full:
            self._lose("they come faster than they can be written")

    def stop(self) -> None:
        """Write what is waiting, and end."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(_STOP_S)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            filename_prefix, build = item
            try:
                _append(filename_prefix, framed(build()))
            except OSError as error:
                self._lose(str(error))
            except Exception:
                # One request that cannot be written must not end the log of all others.
                log.exception("a request could not be logged to %s", filename_prefix)

    def _lose(self, why: str) -> None:
        self._lost += 1
        if time.monotonic() - self._complained_at >= _COMPLAIN_S:
            self._complained_at = time.monotonic()
            log.error("%d requests have not been logged so far: %s", self._lost, why)


def _append(filename_prefix: str, record: bytes) -> None:
    # Opened each time: whoever rotates or removes the files needs no signal. One write a record, so that none is torn.
    file = Path(f"{filename_prefix}.{os.getpid()}.tfrecord")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab", buffering=0) as opened:
        opened.write(record)
