"""Numbers, texts and arrays as TensorFlow Serving's JSON writer lays them out."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import TF_TYPES, Array, type_name
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
