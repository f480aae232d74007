"""One JSON value (number or nested lists of them) to one array.

Lists are checked and flattened level by level with functions that run in C; only a value that does not fit is walked
element by element, to say what TensorFlow Serving would say about it.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import NUMPY_TYPES, Array, type_name
from tf_serving.embedded.json_parse import shown
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
_FLOAT32_LARGEST = float(np.finfo(np.float32).max)


def to_array(value: Any, dtype: int) -> Array:
    """The array of `value`; a plain number becomes a scalar.

    Raises:
        ServingError: ragged lists, or an element that is no number of this type.
    """
    flat, shape = _flatten(value)
    if flat is not None and _all_fit(flat, dtype):
        wide = np.int64 if dtype in _INTEGERS and dtype != dtypes.DT_UINT64 else NUMPY_TYPES[dtype]
        return np.array(flat, wide).astype(NUMPY_TYPES[dtype], copy=False).reshape(shape)
    check(value, dtype, dense_shape(value))
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
    return sum(check(element, dtype, shape, level + 1) for element in value)


def _flatten(value: Any) -> tuple[list[Any] | None, tuple[int, ...]]:
    """All elements in order and the shape; None instead of the elements where lists are ragged."""
    shape = dense_shape(value)
    level: list[Any] = [value]
    for size in shape:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            return None, shape
        level = list(chain.from_iterable(level))
    return level, shape


def _all_fit(flat: list[Any], dtype: int) -> bool:
    kinds = set(map(type, flat))
    if dtype in _FLOATS:
        if not kinds <= {int, float}:
            return False
        # Few requests hold whole numbers written without a point; only those need a look at each element.
        exact = int not in kinds or all(_is_exact(number, dtype) for number in flat)
        return exact and (dtype == dtypes.DT_DOUBLE or all(_is_exact(number, dtype) for number in flat))
    if dtype == dtypes.DT_BOOL:
        return kinds <= {bool}
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
    if dtype in _FLOATS:
        if type(value) not in (int, float):
            raise _type_error(value, dtype)
        if not _is_exact(value, dtype):
            raise invalid(
                f"Cannot convert JSON value: {shown(value)} to {_FLOATS[dtype][1]} without loss of precision."
            )
    elif dtype == dtypes.DT_BOOL or dtype in _INTEGERS:
        if not _all_fit([value], dtype):
            raise _type_error(value, dtype)
    else:
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {type_name(dtype)}")


def _type_error(value: Any, dtype: int) -> ServingError:
    kind = {type(None): "Null", bool: str(value), dict: "Object", list: "Array", str: "String"}.get(
        type(value), "Number"
    )
    return invalid(f"JSON Value: {shown(value)} Type: {kind} is not of expected type: {type_name(dtype)}")
