"""One HTTP request and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Headers = list[tuple[bytes, bytes]]


class Request:
    """What a client asks. `target` is what stands in the request line, names of headers are in lower case, and the
    body is in the parts that it came in."""

    __slots__ = ("body", "headers", "keep_alive", "method", "one_zero", "target")

    def __init__(self) -> None:
        self.method = self.target = ""
        self.headers: Headers = []
        self.body: list[bytes] = []
        self.keep_alive, self.one_zero = True, False

    def header(self, name: bytes) -> bytes:
        """The value of a header, or nothing."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""


@dataclass(slots=True)
class Response:
    """What it is answered; `content-length`, `date` and `connection` are written by the connection."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


# An answer that needs no waiting is given at once: a task and its wake-ups cost more than a small model's run.
Answer = Callable[[Request], Response | Awaitable[Response]]
