"""HTTP around an answer: compression both ways and what browsers of other origins ask for."""

from __future__ import annotations

import re
import zlib

from tf_serving.embedded.http_exchange import Headers, Request
from tf_serving.embedded.status import invalid

CORS_HEADERS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]
NOT_FOUND = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"

_GZIP = 16 + zlib.MAX_WBITS
_LARGEST_BODY = 2**30
_SMALLEST_COMPRESSED = 1024  # smaller answers fit into one packet anyway
_LEVEL = 1
_REFUSED_QUALITY = re.compile(rb"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def preflight_status(request: Request) -> int:
    """What OPTIONS answers: good for a request with an origin of the web."""
    origin = request.header(b"origin")
    return 200 if b"http://" in origin or b"https://" in origin else 400


def decompressed(body: bytes, encoding: bytes) -> bytes:
    """The request body without its `Content-Encoding: gzip`.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if b"gzip" not in encoding.lower():  # whatever else it names, as TensorFlow Serving
        return body
    parts: list[bytes] = []
    room = _LARGEST_BODY
    while body:
        decoder = zlib.decompressobj(wbits=_GZIP)
        try:
            parts.append(decoder.decompress(body, room))
        except zlib.error as error:
            raise invalid(f"Failed to decompress the request body: {error}") from None
        room -= len(parts[-1])
        if not decoder.eof or room <= 0:
            raise invalid("Failed to decompress the request body: it is cut short or too large")
        body = decoder.unused_data
    return b"".join(parts)


def compressed(body: bytes, accepted: bytes) -> tuple[bytes, Headers]:
    """The answer's body and headers, compressed where the client accepts it and it pays."""
    lowered = accepted.lower()
    if len(body) < _SMALLEST_COMPRESSED or b"gzip" not in lowered or _REFUSED_QUALITY.search(lowered):
        return body, []
    encoder = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return encoder.compress(body) + encoder.flush(), [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
