"""Repeats a call while the server cannot be reached, within one total deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from smartgrid.serving.errors import DeadlineExceeded, ServerUnreachable

T = TypeVar("T")

# Together about 5 s: a killed server is back within that time.
_WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)


def with_retries(call: Callable[[float], T], *, address: str, timeout_s: float) -> T:
    """Run `call(seconds left)`. Predict and status change nothing on the server, so repeating them is safe.

    Raises:
        ServerUnreachable: every attempt ended so. DeadlineExceeded: `timeout_s` is over. Or what else `call` raises.
    """
    deadline = time.monotonic() + timeout_s
    for wait_s in (*_WAITS_S, None):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        try:
            return call(left_s)
        except ServerUnreachable:
            if wait_s is None or time.monotonic() + wait_s >= deadline:
                raise
            time.sleep(wait_s)
    raise DeadlineExceeded(address, timeout_s)
