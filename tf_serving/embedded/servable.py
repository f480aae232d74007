"""A loaded version that closes itself only when its last request has ended."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """A loaded model, as far as its life matters."""

    def close(self) -> None: ...


M = TypeVar("M", bound=Closable)


class Servable(Generic[M]):
    """Counts the requests that use `model`; `retire` waits for them, then closes it."""

    def __init__(self, name: str, version: int, model: M) -> None:
        self.name, self.version, self.model = name, version, model
        self._lock = threading.RLock()  # a request that the garbage collector ends may interrupt one of its own thread
        self._requests = 0
        self._retired = False
        self._unused = threading.Event()

    def acquire(self) -> bool:
        """Begin a request. False: the version has been retired meanwhile, look the model up again."""
        with self._lock:
            if self._retired:
                return False
            self._requests += 1
            return True

    def release(self) -> None:
        """End a request."""
        with self._lock:
            self._requests -= 1
            self._note_unused()

    def retire(self) -> None:
        """Take no more requests, wait for those under way, close the model."""
        with self._lock:
            self._retired = True
            self._note_unused()
        self._unused.wait()
        self.model.close()

    def _note_unused(self) -> None:
        if self._retired and not self._requests:
            self._unused.set()
