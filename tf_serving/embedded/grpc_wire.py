"""gRPC over HTTP/2: messages in their frames, deadlines, compressions and status texts in their headers."""

from __future__ import annotations

import re
import zlib
from urllib.parse import quote_from_bytes

from tf_serving.embedded.status import Code, ServingError

Header = tuple[bytes, bytes]

PREFIX_SIZE = 5  # a flag (compressed or not), and the length of the message in four bytes
ENCODINGS = b"identity, deflate, gzip"
_WINDOW_BITS = {b"deflate": zlib.MAX_WBITS, b"gzip": 16 + zlib.MAX_WBITS}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_OUTER_SPACES = re.compile("^ +| +$")
_LONGEST_TEXT = 1024
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_LEVEL = 1


def timeout_s(value: bytes) -> float | None:
    """Seconds of a `grpc-timeout` header; None where it says nothing that can be read."""
    found = _TIMEOUT.fullmatch(value)
    return int(found[1]) * _UNIT_S[found[2]] if found else None


def message(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The one message of a request body.

    Raises:
        ServingError: it is cut short, too large, compressed in a way that nobody has announced, or not the only one.
    """
    if len(body) < PREFIX_SIZE:
        text = "Missing request message" if not body else "The request message is cut short"
        raise ServingError(Code.UNIMPLEMENTED if not body else Code.INTERNAL, text)
    length = int.from_bytes(body[1:PREFIX_SIZE], "big")
    check_size("Received", length, limit)
    missing = PREFIX_SIZE + length - len(body)
    if missing > 0:
        raise ServingError(Code.INTERNAL, "The request message is cut short")
    if missing < 0:
        raise ServingError(Code.UNIMPLEMENTED, "The method takes one request message")
    content = body[PREFIX_SIZE:]
    if not body[0]:
        return content
    if body[0] != 1 or encoding in (b"", b"identity"):
        raise ServingError(Code.INTERNAL, "The request message is compressed, but no grpc-encoding is named")
    return _decompressed(content, encoding, limit)


def check_size(what: str, length: int, limit: int) -> None:
    """
    Raises:
        ServingError: RESOURCE_EXHAUSTED, a message of this length may not be `what`: received or sent.
    """
    if length > limit:
        raise ServingError(Code.RESOURCE_EXHAUSTED, f"{what} message larger than max ({length} vs. {limit})")


def framed(content: bytes, encoding: bytes) -> bytes:
    """The body of an answer: one message, compressed with `encoding` where that makes it smaller."""
    if encoding in _WINDOW_BITS:
        encoder = zlib.compressobj(_LEVEL, wbits=_WINDOW_BITS[encoding])
        compressed = encoder.compress(content) + encoder.flush()
        if len(compressed) < len(content):
            return b"\1" + len(compressed).to_bytes(4, "big") + compressed
    return b"\0" + len(content).to_bytes(4, "big") + content


def check_encoding(encoding: bytes) -> None:
    """
    Raises:
        ServingError: UNIMPLEMENTED, an encoding that this server does not read.
    """
    if encoding not in (b"", b"identity") and encoding not in _WINDOW_BITS:
        text = f"Compression algorithm '{encoding.decode('latin-1')}' is not supported"
        raise ServingError(Code.UNIMPLEMENTED, text)


def status(error: ServingError) -> list[Header]:
    """The trailers that end a call with an error; a long text is cut."""
    text = error.message
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + "...TRUNCATED"
    encoded = quote_from_bytes(text.encode("utf-8", "replace"), safe=_PLAIN)
    # No header may begin or end with spaces; a name that a client made up may end the text with one.
    encoded = _OUTER_SPACES.sub(lambda spaces: "%20" * len(spaces[0]), encoded)
    return [(b"grpc-status", str(int(error.code)).encode()), (b"grpc-message", encoded.encode())]


def _decompressed(content: bytes, encoding: bytes, limit: int) -> bytes:
    decoder = zlib.decompressobj(wbits=_WINDOW_BITS[encoding])
    try:
        plain = decoder.decompress(content, limit + 1)
    except zlib.error as error:
        raise ServingError(Code.INTERNAL, f"Failed to decompress the request message: {error}") from None
    check_size("Received decompressed", len(plain), limit)
    if not decoder.eof:
        raise ServingError(Code.INTERNAL, "The compressed request message is cut short")
    return plain
