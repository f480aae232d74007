"""Numbers, texts and arrays as TensorFlow Serving's JSON writer lays them out."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

import numpy as np
import orjson

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import NUMPY_TYPES, TF_TYPES, Array, type_name
from tf_serving.embedded.shortest import shortest_doubles
from tf_serving.embedded.status import invalid

_WRITABLE = frozenset(
    {
        dtypes.DT_FLOAT,
        dtypes.DT_DOUBLE,
        dtypes.DT_INT32,
        dtypes.DT_INT16,
        dtypes.DT_INT8,
        dtypes.DT_UINT8,
        dtypes.DT_STRING,
        dtypes.DT_INT64,
        dtypes.DT_BOOL,
        dtypes.DT_UINT32,
        dtypes.DT_UINT64,
    }
)


# What orjson writes like `json`; half floats it does not.
_QUICK = frozenset(NUMPY_TYPES[number] for number in _WRITABLE - {dtypes.DT_STRING})


_TENS = re.compile(r"0\.0(?![0-9])")
_LARGE = re.compile(r"([0-9]{6,}0)\.0(?![0-9])")
_LEAST_LARGE, _DIGITS = 1e6, 6
_SHORT = 1000  # characters that are searched sooner than the numbers are compared


def quoted(text: str) -> str:
    """A JSON string; only what must be is escaped."""
    return json.dumps(text, ensure_ascii=False)


def float32_text(value: float) -> str:
    """The shortest text that reads back to the same 32-bit number: 0.1, not 0.10000000149011612."""
    if math.isfinite(value):
        return repr(float(str(np.float32(value))))
    return json.dumps(value)


def checked(alias: str, array: Array) -> Any:
    """Nested lists of what `json` writes.

    Bytes become text, or `{"b64": ...}` when the alias ends in `_bytes`.

    Raises:
        ServingError: JSON has no such type.
    """
    number = TF_TYPES[array.dtype]
    if number not in _WRITABLE:
        raise invalid(f"Failed to write JSON value for tensor type: {type_name(number)}")
    if number == dtypes.DT_STRING:
        return _texts(array, as_base64=alias.endswith("_bytes"))
    if number == dtypes.DT_FLOAT:
        return shortest_doubles(array).tolist()
    return array.tolist()


def array_in_line(alias: str, array: Array) -> str:
    """An array on one line.

    Raises:
        ServingError: as `checked`.
    """
    numbers = _numbers(array)
    if numbers is None:
        return finished(array, in_line(checked(alias, array)))
    return numbers.replace(",", ", ")


def array_in_lines(alias: str, array: Array, indent: str) -> str:
    """An array with every element on a line of its own; `indent` is that of the line it begins on.

    Raises:
        ServingError: as `checked`.
    """
    numbers = _numbers(array, orjson.OPT_INDENT_2)
    if numbers is None:
        return finished(array, in_lines(checked(alias, array), indent))
    return numbers.replace("  ", "    ").replace("\n", f"\n{indent}")


def array_rows(alias: str, array: Array) -> list[str]:
    """Each row of an array, on one line.

    Raises:
        ServingError: as `checked`.
    """
    numbers = _numbers(array) if array.ndim == 1 and len(array) else None
    if numbers is not None:
        return numbers[1:-1].split(",")
    if array.ndim > 1 and array.dtype in _QUICK:
        return [array_in_line(alias, row) for row in array]
    rows = [in_line(value) for value in checked(alias, array)]
    return [_LARGE.sub(_with_exponent, row) for row in rows] if _has_large(array) else rows


def _with_exponent(match: re.Match[str]) -> str:
    digits = match[1].rstrip("0")
    if len(digits) > _DIGITS:
        return match[0]
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e+{len(match[1]) - 1:02d}"


def finished(array: Array, text: str) -> str:
    """`text` with 9e+06 for 9000000.0: so TensorFlow Serving writes large numbers of up to six digits."""
    # Most texts have nothing that looks like a ten, which is found much sooner than a large one.
    if not _TENS.search(text) or (len(text) > _SHORT and not _has_large(array)):
        return text
    return _LARGE.sub(_with_exponent, text) if array.dtype.kind == "f" else text


def _has_large(array: Array) -> bool:
    return array.dtype.kind == "f" and bool((np.abs(array) >= _LEAST_LARGE).any())


def _numbers(array: Array, layout: int = 0) -> str | None:
    """An array of numbers as orjson writes it; None where that is not how `json` would write `checked`: numbers that
    are not finite, and those that need an exponent."""
    if array.dtype not in _QUICK or array.ndim == 0:
        return None
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY | layout)
    if array.dtype.kind == "f" and (b"e" in text or b"null" in text or b"0.0000" in text):
        return None
    return finished(array, text.decode())


def in_line(value: Any) -> str:
    """A value on one line: `[1.0, 2.0]`."""
    return json.dumps(value, ensure_ascii=False)


def in_lines(value: Any, indent: str) -> str:
    """A value with every element on a line of its own; `indent` is that of the line it begins on."""
    if not value or not isinstance(value, list | dict):
        return in_line(value)
    inner = indent + "    "
    if isinstance(value, dict):
        members = (f"{inner}{quoted(name)}: {in_lines(element, inner)}" for name, element in value.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + in_lines(element, inner) for element in value) + f"\n{indent}]"


def _texts(array: Array, *, as_base64: bool) -> Any:
    flat = np.empty(array.size, np.object_)
    for index, value in enumerate(array.ravel()):
        if as_base64:
            flat[index] = {"b64": base64.b64encode(value).decode()}
        else:
            flat[index] = value.decode("utf-8", "surrogateescape")
    return flat.reshape(array.shape).tolist()
