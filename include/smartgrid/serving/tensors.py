"""NumPy arrays as TensorProto messages and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

STRING = 7
# TensorFlow's type number -> NumPy type, the field that carries values where `tensor_content` does not, and the type
# of that field's entries.
_TYPES = {
    1: ("float32", "float_val", "float32"),
    2: ("float64", "double_val", "float64"),
    3: ("int32", "int_val", "int32"),
    4: ("uint8", "int_val", "int32"),
    5: ("int16", "int_val", "int32"),
    6: ("int8", "int_val", "int32"),
    STRING: ("object", "string_val", "object"),
    8: ("complex64", "scomplex_val", "float32"),
    9: ("int64", "int64_val", "int64"),
    10: ("bool", "bool_val", "bool"),
    17: ("uint16", "int_val", "int32"),
    18: ("complex128", "dcomplex_val", "float64"),
    19: ("float16", "half_val", "uint16"),
    22: ("uint32", "uint32_val", "uint32"),
    23: ("uint64", "uint64_val", "uint64"),
}
_NUMBERS = {name: number for number, (name, _, _) in _TYPES.items()}
_PAIRS = frozenset({"complex64", "complex128"})


class UnknownType(ValueError):
    """NumPy has no such type, or TensorFlow has not. The argument says which."""


def numpy_type(number: int) -> str:
    """
    Raises:
        UnknownType: NumPy has no such type.
    """
    if number not in _TYPES:
        raise UnknownType(f"TensorFlow type {number}")
    return _TYPES[number][0]


def as_type(array: Array, number: int) -> Array:
    """`array` in the model's own type where no kind of number is lost by it (whole numbers may become floats, 64-bit
    floats 32-bit ones, not the other way round); otherwise as it is, and the server says what is wrong."""
    import numpy as np

    if number not in _TYPES or number == STRING or array.dtype.kind in "OSU":
        return array
    dtype = np.dtype(_TYPES[number][0])
    return array.astype(dtype, copy=False) if np.can_cast(array.dtype, dtype, "same_kind") else array


def fill_tensor(tensor: Any, array: Array) -> None:
    """Write `array` into a TensorProto; text is sent as UTF-8.

    Raises:
        UnknownType: TensorFlow has no such type.
    """
    if array.dtype.kind in "OSU":
        tensor.dtype = STRING
        tensor.string_val.extend(_texts(array.ravel().tolist()))
    elif array.dtype.name in _NUMBERS:
        tensor.dtype = _NUMBERS[array.dtype.name]
        tensor.tensor_content = array.tobytes()
    else:
        raise UnknownType(f"arrays of type {array.dtype}")
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)


def to_array(tensor: Any) -> Array:
    """The array of a TensorProto; strings as an object array of bytes.

    Raises:
        UnknownType: NumPy has no such type.
    """
    import numpy as np

    numpy_type(tensor.dtype)
    name, field, field_type = _TYPES[tensor.dtype]
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_content and tensor.dtype != STRING:
        return np.frombuffer(tensor.tensor_content, name).reshape(shape)
    entries = getattr(tensor, field)
    values: Array = np.empty(len(entries), field_type)
    values[:] = entries
    if name in _PAIRS or name == "float16":
        values = values.view(name)
    values = values.astype(name, copy=False)
    if len(values) < math.prod(shape) and len(values):
        # TensorFlow leaves out repetitions of the last value.
        values = np.concatenate([values, np.repeat(values[-1:], math.prod(shape) - len(values))])
    return values.reshape(shape)


def _texts(values: Iterable[Any]) -> list[bytes]:
    texts = []
    for value in values:
        if not isinstance(value, str | bytes):
            raise UnknownType(f"arrays with elements of type {type(value).__name__}")
        texts.append(value.encode() if isinstance(value, str) else value)
    return texts
