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
        self._changed = threading.Condition()
        self._requests = 0
        self._retired = False

    def acquire(self) -> bool:
        """Begin a request. False: the version has been retired meanwhile, look the model up again."""
        with self._changed:
            if self._retired:
                return False
            self._requests += 1
            return True

    def release(self) -> None:
        """End a request."""
        with self._changed:
            self._requests -= 1
            self._changed.notify_all()

    def retire(self) -> None:
        """Take no more requests, wait for those under way, close the model."""
        with self._changed:
            self._retired = True
            self._changed.wait_for(lambda: self._requests == 0)
        self.model.close()
