"""One JSON value (number or nested lists of them) to one array.

Lists are checked and flattened level by level with functions that run in C; only a value that does not fit is walked
element by element, to say what TensorFlow Serving would say about it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from itertools import chain, compress
from typing import Any

import numpy as np

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import NUMPY_TYPES, Array, type_name
from tf_serving.embedded.json_parse import shown, type_of
from tf_serving.embedded.status import Code, ServingError, invalid

_FLOATS = {dtypes.DT_FLOAT: (2**24 - 1, "float"), dtypes.DT_DOUBLE: (2**53 - 1, "double")}
_INTEGERS = {
    dtypes.DT_INT32: (-(2**31), 2**31 - 1),
    dtypes.DT_INT16: (-(2**31), 2**31 - 1),
    dtypes.DT_INT8: (-(2**31), 2**31 - 1),
    dtypes.DT_UINT8: (-(2**31), 2**31 - 1),
    dtypes.DT_INT64: (-(2**63), 2**63 - 1),
    dtypes.DT_UINT32: (0, 2**32 - 1),
    dtypes.DT_UINT64: (0, 2**64 - 1),
}
_BASE64 = re.compile("[A-Za-z0-9+/]*[=.]{0,2}")
_AT_ONCE = 4096
_MANY, _MOST_PACKED = 128, 2**16  # numbers; from the first on NumPy compares them faster than Python
_FLOAT32_LARGEST = float(np.finfo(np.float32).max)
_FLOAT_LARGEST = {dtypes.DT_FLOAT: _FLOAT32_LARGEST, dtypes.DT_DOUBLE: float(np.finfo(np.float64).max)}


def to_array(value: Any, dtype: int) -> Array:
    """The array of `value`; a plain number becomes a scalar.

    Raises:
        ServingError: ragged lists, or an element that is no number of this type.
    """
    flat, shape = _flatten(value)
    if flat is not None and len(flat) >= _MANY and dtype in _FLOATS:
        numbers = _usual_floats(flat, dtype)
        if numbers is not None:
            return numbers.reshape(shape)
    if flat is not None and dtype == dtypes.DT_STRING and set(map(type, flat)) <= {str, dict}:
        return _strings(flat).reshape(shape)
    if flat is not None and (not flat or _all_fit(flat, dtype)):
        wide = np.int64 if dtype in _INTEGERS and dtype != dtypes.DT_UINT64 else NUMPY_TYPES[dtype]
        return np.array(flat, wide).astype(NUMPY_TYPES[dtype], copy=False).reshape(shape)
    check(value, dtype, shape)
    raise invalid(f"JSON Value: {shown(value)} cannot be read as {type_name(dtype)}")


def dense_shape(value: Any) -> tuple[int, ...]:
    """Shape by the first element of each level."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def check(value: Any, dtype: int, shape: tuple[int, ...], level: int = 0) -> int:
    """Walk `value` and count its elements.

    Raises:
        ServingError: at the first one that does not fit `dtype` and `shape`.
    """
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {rank}"
            )
        _check_element(value, dtype)
        return 1
    if level >= rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == rank - 1:
        return _check_elements(value, dtype, shape, level)
    return sum(check(element, dtype, shape, level + 1) for element in value)


def _check_elements(values: list[Any], dtype: int, shape: tuple[int, ...], level: int) -> int:
    """The same for a list of elements, which may be millions: only where some do not fit, one is looked for."""
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        if not _all_fit(part, dtype):
            for element in part:
                check(element, dtype, shape, level + 1)
    return len(values)


def _flatten(value: Any) -> tuple[list[Any] | None, tuple[int, ...]]:
    """All elements in order and the shape; None instead of the elements where lists are ragged."""
    shape = dense_shape(value)
    level: list[Any] = [value]
    for size in shape:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            return None, shape
        level = list(chain.from_iterable(level))
    return level, shape


def _usual_floats(flat: list[Any], dtype: int) -> Array | None:
    """The same as `_all_fit` and the conversion, but without a look at every number's type where values tell enough;
    None where it takes a closer look."""
    try:
        wide = _packed(flat)
    except (struct.error, OverflowError, TypeError, ValueError):  # no number, or one that no double holds
        return None
    largest = np.abs(wide).max()
    if not largest <= _FLOAT_LARGEST[dtype]:  # so it is, too, where one is NaN
        return None
    if largest > _FLOATS[dtype][0] and int in set(map(type, flat)):
        return None  # whole numbers have to be exact
    # `true` and `false` are packed as 1 and 0.
    doubtful = (wide == 0) | (wide == 1)
    if doubtful.any() and bool in set(map(type, compress(flat, doubtful.tolist()))):
        return None
    return wide.astype(NUMPY_TYPES[dtype])


def _packed(flat: list[Any]) -> Array:
    """The numbers as doubles. `struct` is more than twice as fast as NumPy, but wants them all as arguments."""
    if len(flat) <= _MOST_PACKED:
        return np.frombuffer(struct.pack(f"{len(flat)}d", *flat), np.float64)
    if not set(map(type, flat)) <= {int, float, bool}:
        raise TypeError("NumPy takes texts for numbers")
    return np.array(flat, np.float64)


def _all_fit(flat: list[Any], dtype: int) -> bool:
    kinds = set(map(type, flat))
    if dtype in _FLOATS:
        if not kinds <= {int, float}:
            return False
        if dtype == dtypes.DT_DOUBLE and int not in kinds:
            return True
        # Below the largest exact integer everything fits; only a list with something larger is looked at one by one.
        if max(map(abs, flat)) <= _FLOATS[dtype][0]:
            return True
        return all(_is_exact(number, dtype) for number in flat)
    if dtype == dtypes.DT_BOOL:
        return kinds <= {bool}
    if dtype == dtypes.DT_STRING:
        return kinds <= {str}
    if dtype in _INTEGERS:
        low, high = _INTEGERS[dtype]
        return kinds <= {int} and (not flat or (low <= min(flat) and max(flat) <= high))
    return False


def _is_exact(number: float, dtype: int) -> bool:
    """Whether TensorFlow Serving takes the number: 64-bit integers must be exact, and float32 must not overflow."""
    if isinstance(number, int):
        return not -(2**63) <= number < 2**64 or abs(number) <= _FLOATS[dtype][0]
    return dtype == dtypes.DT_DOUBLE or not math.isfinite(number) or abs(number) <= _FLOAT32_LARGEST


def _check_element(value: Any, dtype: int) -> None:
    if isinstance(value, dict):
        if dtype != dtypes.DT_STRING:
            raise _type_error(value, dtype)
        if not is_base64(value):
            raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
        unescape_base64(value["b64"])
    elif dtype == dtypes.DT_STRING:
        if not isinstance(value, str):
            raise _type_error(value, dtype)
    elif dtype in _FLOATS:
        if type(value) not in (int, float):
            raise _type_error(value, dtype)
        if not _is_exact(value, dtype):
            raise _lossy(value, _FLOATS[dtype][1])
    elif dtype == dtypes.DT_BOOL or dtype in _INTEGERS:
        if not _all_fit([value], dtype):
            raise _type_error(value, dtype)
    else:
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {type_name(dtype)}")


def _type_error(value: Any, dtype: int) -> ServingError:
    return invalid(f"JSON Value: {shown(value)} Type: {type_of(value)} is not of expected type: {type_name(dtype)}")


def _lossy(value: float, target: str) -> ServingError:
    return invalid(f"Cannot convert JSON value: {shown(value)} to {target} without loss of precision.")


def check_float32(value: float) -> None:
    """
    Raises:
        ServingError: a finite number that a 32-bit float cannot hold.
    """
    if not _is_exact(value, dtypes.DT_FLOAT):
        raise _lossy(value, "float")


def is_base64(value: Any) -> bool:
    """Whether the value is `{"b64": "<text>"}` and nothing else: bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def unescape_base64(text: str) -> bytes:
    """The bytes of a base64 text; white space is skipped, padding may be left out but not be wrong.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    compact = "".join(text.split())
    digits = compact.rstrip("=.")
    padding = len(compact) - len(digits)
    missing = -len(digits) % 4
    if missing == 3 or padding not in (0, missing) or not _BASE64.fullmatch(compact):
        raise invalid("Unable to base64 decode")
    try:
        return base64.b64decode(digits + "=" * missing, validate=True)
    except binascii.Error:
        raise invalid("Unable to base64 decode") from None


def _strings(flat: list[Any]) -> Array:
    array = np.empty(len(flat), np.object_)
    for index, value in enumerate(flat):
        if isinstance(value, str):
            array[index] = value.encode("utf-8", "surrogateescape")
        else:
            _check_element(value, dtypes.DT_STRING)
            array[index] = unescape_base64(value["b64"])
    return array
