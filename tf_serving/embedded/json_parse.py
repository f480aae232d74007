"""JSON text to Python values, with the error texts of TensorFlow Serving's parser."""

from __future__ import annotations

import json
from typing import Any

from tf_serving.embedded.status import ServingError, invalid

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"

# What Python's parser says (start of the text) -> what TensorFlow Serving's says.
_TEXTS = (
    ("Expecting value", "Invalid value."),
    ("Illegal trailing comma before end of object", "Missing a name for object member."),
    ("Illegal trailing comma", "Invalid value."),
    ("Expecting property name", "Missing a name for object member."),
    ("Expecting ':'", "Missing a colon after a name of object member."),
    ("Unterminated string", "Missing a closing quotation mark in string."),
    ("Invalid control character", "Invalid encoding in string."),
    ("Invalid \\escape", "Invalid escape character in string."),
    ("Invalid \\uXXXX", "Incorrect hex digit after \\u escape in string."),
)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body; text after it is ignored, NaN and Infinity are numbers.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from None
    start = len(text) - len(text.lstrip(_SPACE))
    if start == len(text):
        raise _parse_error("The document is empty.", len(body))
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _parse_error(_text(error), len(text[: error.pos].encode())) from None
    except RecursionError:
        raise invalid("JSON Parse error: Nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise _parse_error("Number too big to be stored in double.", start) from None
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    return value


def shown(value: Any, limit: int = 1024) -> str:
    """A value as it appears in error texts, cut where it would flood the log."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "...TRUNCATED"


def _parse_error(text: str, offset: int) -> ServingError:
    return invalid(f"JSON Parse error: {text} at offset: {offset}")


def _text(error: json.JSONDecodeError) -> str:
    for beginning, text in _TEXTS:
        if error.msg.startswith(beginning):
            return text
    if error.msg.startswith("Expecting ','"):
        inside = _container(error.doc[: error.pos])
        return f"Missing a comma or {inside} after {'an array element' if inside == ']' else 'an object member'}."
    return "Unspecific syntax error."


def _container(text: str) -> str:
    """The bracket that closes the innermost container still open at the end of `text`."""
    closing: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == '"':
            position += 1
            while position < len(text) and text[position] != '"':
                position += 2 if text[position] == "\\" else 1
        elif character in "[{":
            closing.append("]" if character == "[" else "}")
        elif character in "]}":
            closing.pop()
        position += 1
    return closing[-1] if closing else "]"
