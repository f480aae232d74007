"""One reply made of several: a large request may be cut up and run in more than one batch."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from tf_serving.embedded.batch_scheduler import Reply
from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.status import ServingError


class JoinedReplies:
    """Waits for the outputs of all `rows`, then gives them to `reply` as one; an error of any part at once."""

    def __init__(self, rows: int, reply: Reply) -> None:
        self._missing, self._reply = rows, reply
        self._parts: dict[int, Mapping[str, Array]] = {}
        self._lock = threading.Lock()

    def part(self, start: int, rows: int, outputs: Mapping[str, Array] | None, error: ServingError | None) -> None:
        """What the rows from `start` on came to; from any thread, in any order."""
        with self._lock:
            if self._missing <= 0:
                return  # another part has failed
            if outputs is None:
                self._missing = 0
            else:
                self._parts[start] = outputs
                self._missing -= rows
                if self._missing:
                    return
        self._reply(None if outputs is None else joined([self._parts[at] for at in sorted(self._parts)]), error)


def joined(parts: list[Mapping[str, Array]]) -> Mapping[str, Array]:
    """The outputs of consecutive rows below each other."""
    if len(parts) == 1:
        return parts[0]
    return {alias: np.concatenate([part[alias] for part in parts]) for alias in parts[0]}
