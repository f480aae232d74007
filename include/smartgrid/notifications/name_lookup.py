"""The addresses of a host, within a time limit: the system's resolver has none that a caller could set."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence

from smartgrid.notifications.errors import NotificationError

LOOKUP_TIMEOUT_S = 5.0

Resolver = Callable[[str, int], Sequence[str]]


class NameNotFound(NotificationError):
    """The name of a host did not resolve, which may pass."""

    def __init__(self, host: str, problem: str) -> None:
        self.host, self.problem = host, problem
        super().__init__(f"{host} does not resolve: {problem}")


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, by the system's resolver. It also reads the odd spellings (2130706433, 0x7f.1).

    Raises:
        NameNotFound: it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameNotFound(host, getattr(error, "strerror", None) or "not a host name") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def resolve_within(resolver: Resolver, host: str, port: int, timeout_s: float) -> Sequence[str]:
    """What `resolver` says of `host`, if it says it within `timeout_s`.

    Raises:
        NameNotFound: there is no address, or no answer in time.
    """
    answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that waits
            answer.put(error)

    # A lookup cannot be broken off: its thread is left to end by itself. One for each lookup and no pool, so that names
    # whose servers are silent keep no other name waiting; a daemon, so that it does not keep the process from ending.
    threading.Thread(target=ask, name="name-lookup", daemon=True).start()
    try:
        said = answer.get(timeout=timeout_s)
    except queue.Empty:
        raise NameNotFound(host, f"the name servers did not answer within {timeout_s:.3g} s") from None
    if isinstance(said, Exception):
        raise said
    return said
