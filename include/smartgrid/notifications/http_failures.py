"""HTTP outcomes that mean the same for every channel."""

from __future__ import annotations

import logging

import httpx

from smartgrid.notifications.errors import DeliveryFailed

# Their lines for each request hold the whole address, with device tokens and keys in it.
for _name in ("httpx", "hpack"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Sending the same again cannot help: the request itself is refused, for good.
HOPELESS = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431, 451, 501, 505})
EXCERPT_CHARACTERS = 200


def no_answer(whom: str, error: httpx.TransportError) -> DeliveryFailed:
    """A `retry` for a request that got no answer, saying how far it came."""
    if isinstance(error, httpx.TimeoutException):
        problem = "did not accept the connection in time" if isinstance(error, httpx.ConnectTimeout) else "was too slow"
    elif isinstance(error, httpx.ConnectError):
        problem = f"cannot be reached: {error}"
    else:
        problem = f"broke the connection: {type(error).__name__}"
    return DeliveryFailed("retry", f"{whom} {problem}")


def excerpt(body: bytes) -> str:
    """The beginning of an answer, on one line, for a person to read."""
    text = body[: 4 * EXCERPT_CHARACTERS].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:EXCERPT_CHARACTERS]
