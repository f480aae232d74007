"""Results on their way from threads to the event loop, as few wake-ups as possible.

Waking the loop costs a system call and a fight for Python's lock. What several threads, or one batch, have ready at
about the same time is handed over together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class LoopReplies:
    """Settles futures of `loop` from other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._woken = False

    def put(self, future: asyncio.Future[Any], value: Any, error: BaseException | None = None) -> None:
        """Give `future` its value or error; from any thread."""
        self._ready.append((future, value, error))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                return  # the loop has been closed: nobody waits for this any more

    def _deliver(self) -> None:
        # In this order: whoever adds something after this line wakes the loop again.
        self._woken = False
        while self._ready:
            future, value, error = self._ready.popleft()
            if future.done():
                continue  # its request has been given up
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
