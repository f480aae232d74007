"""JSON text to Python values, with the error texts of TensorFlow Serving's parser."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from tf_serving.embedded.json_strict import first_wins, parse_strictly
from tf_serving.embedded.status import invalid

_DECODER = json.JSONDecoder(object_pairs_hook=first_wins)
_SPACE = re.compile(r"[ \t\n\r]*")
# What Python's parser takes and TensorFlow Serving's may not: large exponents and halves of surrogate pairs. Each is
# searched on its own: a pattern that begins with one certain byte is searched twenty times as fast.
_DOUBTFUL = tuple(re.compile(pattern) for pattern in (rb"e\+?[0-9]{3}", rb"E\+?[0-9]{3}", rb"\\u[dD][89a-fA-F]"))
# A whole number beyond a double has at least 309 digits, and so fills at least one block between multiples of this.
_BLOCK = 128


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body; text after it is ignored, NaN and Infinity are numbers.

    Bytes that are no UTF-8 are kept: as lone surrogates (`surrogateescape`) in the strings.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    known = _fastest(body)
    if known is not None:
        return known
    try:
        value = _fast(body)
    except RecursionError:
        raise invalid("JSON Parse error: Nested too deeply") from None
    except ValueError:
        value = parse_strictly(body)
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    return value


def signature_name(document: dict[str, Any]) -> str:
    """The signature that a request names, or nothing.

    Raises:
        ServingError: it is no text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def shown(value: Any, limit: int = 1024) -> str:
    """A value as it appears in error texts, cut where it would flood the log."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "...TRUNCATED"


def type_of(value: Any) -> str:
    """The JSON type of a value, as error texts name it."""
    kinds = {type(None): "Null", bool: str(value), dict: "Object", list: "Array", str: "String"}
    return kinds.get(type(value), "Number")


def _fastest(body: bytes) -> dict[str, Any] | None:
    """The object as orjson reads it; None where TensorFlow Serving's parser might see it otherwise.

    orjson refuses text after the document, numbers that are not finite and all that is no UTF-8, and says so; of two
    members with the same name it takes the last, and does not say so.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # Every member has a colon. More colons than members: there are some in texts, or names came twice.
    return value if type(value) is dict and body.count(b":") == _members(value) else None


def _members(document: dict[str, Any]) -> int:
    """How many members the object and those in it have; objects in lists of lists are left out."""
    members = len(document)
    for value in document.values():
        if type(value) is dict:
            members += _members(value)
        elif type(value) is list and value and type(value[0]) is dict:
            members += sum(_members(row) for row in value if type(row) is dict)
    return members


def _fast(body: bytes) -> Any:
    if any(pattern.search(body) for pattern in _DOUBTFUL) or _has_long_number(body):
        raise ValueError("to be read strictly")
    text = body.decode("utf-8", "surrogateescape")
    start = _SPACE.match(text)
    value, _ = _DECODER.raw_decode(text, start.end() if start else 0)
    return value


def _has_long_number(body: bytes) -> bool:
    return any(body[start : start + _BLOCK].isdigit() for start in range(0, len(body) - _BLOCK + 1, _BLOCK))
