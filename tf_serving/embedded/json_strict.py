"""A JSON parser that takes and refuses exactly what TensorFlow Serving's does, to the byte.

Slow, so it only reads what the fast parser refused or may have read differently: it says what is wrong and where.
"""

from __future__ import annotations

import math
import re
from typing import Any

from tf_serving.embedded.status import ServingError, invalid

_SPACE = re.compile(r"[ \t\n\r]*")
_DIGITS = re.compile(r"[0-9]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}
_DEEPEST = 400
_BOM = b"\xef\xbb\xbf"


def parse_error(text: str, offset: int) -> ServingError:
    return invalid(f"JSON Parse error: {text} at offset: {offset}")


def parse_strictly(body: bytes) -> Any:
    """The first JSON value of `body`.

    Raises:
        ServingError: INVALID_ARGUMENT with the text and the byte offset.
    """
    return _Parser(body).document()


def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these members; of two with the same name the first counts."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    members = {}
    for name, value in pairs:
        members.setdefault(name, value)
    return members


class _Parser:
    """Reads bytes as Latin-1 characters, so that positions are byte offsets."""

    def __init__(self, body: bytes) -> None:
        self._text = body.decode("latin-1")
        self._position = len(_BOM) if body.startswith(_BOM) else 0

    def document(self) -> Any:
        self._skip_space()
        if self._peek() in ("", "\0"):
            raise parse_error("The document is empty.", self._position)
        return self._value(0)

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self._position += 1
        return True

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._position)
        self._position = match.end() if match else self._position

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise invalid("JSON Parse error: Nested too deeply")
        character = self._peek()
        if character in _WORDS:
            return self._word(*_WORDS[character])
        if character == '"':
            return self._string()
        if character == "{":
            return self._object(depth)
        if character == "[":
            return self._array(depth)
        return self._number()

    def _word(self, word: str, value: Any) -> Any:
        for character in word:
            if not self._take(character):
                raise parse_error("Invalid value.", self._position)
        return value

    def _object(self, depth: int) -> dict[str, Any]:
        self._position += 1
        self._skip_space()
        members: list[tuple[str, Any]] = []
        if self._take("}"):
            return {}
        while True:
            if self._peek() != '"':
                raise parse_error("Missing a name for object member.", self._position)
            name = self._string()
            self._skip_space()
            if not self._take(":"):
                raise parse_error("Missing a colon after a name of object member.", self._position)
            self._skip_space()
            members.append((name, self._value(depth + 1)))
            self._skip_space()
            if self._take("}"):
                return first_wins(members)
            if not self._take(","):
                raise parse_error("Missing a comma or } after an object member.", self._position)
            self._skip_space()

    def _array(self, depth: int) -> list[Any]:
        self._position += 1
        self._skip_space()
        values: list[Any] = []
        if self._take("]"):
            return values
        while True:
            values.append(self._value(depth + 1))
            self._skip_space()
            if self._take("]"):
                return values
            if not self._take(","):
                raise parse_error("Missing a comma or ] after an array element.", self._position)
            self._skip_space()

    def _string(self) -> str:
        self._position += 1
        parts: list[bytes] = []
        while True:
            match = _PLAIN.match(self._text, self._position)
            if match:
                parts.append(match.group().encode("latin-1"))
                self._position = match.end()
            character = self._peek()
            if character == "\\":
                parts.append(self._escape().encode("utf-8"))
            elif self._take('"'):
                return b"".join(parts).decode("utf-8", "surrogateescape")
            elif character in ("", "\0"):
                raise parse_error("Missing a closing quotation mark in string.", self._position)
            else:
                raise parse_error("Invalid encoding in string.", self._position)

    def _escape(self) -> str:
        start = self._position
        character = self._text[start + 1 : start + 2]
        if character in _ESCAPES:
            self._position += 2
            return _ESCAPES[character]
        if character != "u":
            raise parse_error("Invalid escape character in string.", start)
        self._position += 2
        code = self._hex4(start)
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)
        if code <= 0xDBFF and self._take("\\") and self._take("u"):
            low = self._hex4(start)
            if 0xDC00 <= low <= 0xDFFF:
                return chr(0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00)))
        raise parse_error("The surrogate pair in string is invalid.", start)

    def _hex4(self, escape_start: int) -> int:
        match = _HEX4.match(self._text, self._position)
        if not match:
            raise parse_error("Incorrect hex digit after \\u escape in string.", escape_start)
        self._position = match.end()
        return int(match.group(), 16)

    def _number(self) -> int | float:
        start = self._position
        negative = self._take("-")
        if self._peek() in ("N", "I"):
            return self._not_finite(negative)
        if not self._take("0") and not self._digits():
            raise parse_error("Invalid value.", self._position)
        whole = True
        if self._take("."):
            whole = False
            if not self._digits():
                raise parse_error("Miss fraction part in number.", self._position)
        if self._take("e") or self._take("E"):
            whole = False
            if not self._take("+"):
                self._take("-")
            if not self._digits():
                raise parse_error("Miss exponent in number.", self._position)
        text = self._text[start : self._position]
        if whole and len(text) <= 20 and -(2**63) <= int(text) < 2**64:
            return int(text)
        value = float(text)
        if math.isinf(value):
            raise parse_error("Number too big to be stored in double.", start)
        return value

    def _digits(self) -> bool:
        start = self._position
        match = _DIGITS.match(self._text, start)
        self._position = match.end() if match else start
        return self._position > start

    def _not_finite(self, negative: bool) -> float:
        if self._take("N"):
            if self._take("a") and self._take("N"):
                return math.nan
        elif self._take("I") and self._take("n") and self._take("f"):
            spelled_out = self._peek() == "i"
            if not spelled_out or all(self._take(character) for character in "inity"):
                return -math.inf if negative else math.inf
        raise parse_error("Invalid value.", self._position)
