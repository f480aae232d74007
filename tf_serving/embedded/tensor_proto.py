"""TensorProto and NumPy, as TensorFlow reads and writes it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import NUMPY_TYPES, TF_TYPES, Array
from tf_serving.embedded.status import ServingError, invalid

# The field that carries values of a type where `tensor_content` does not, and the NumPy type of that field.
_FIELDS: dict[int, tuple[str, Any]] = {
    dtypes.DT_FLOAT: ("float_val", np.float32),
    dtypes.DT_DOUBLE: ("double_val", np.float64),
    dtypes.DT_INT32: ("int_val", np.int32),
    dtypes.DT_INT16: ("int_val", np.int32),
    dtypes.DT_INT8: ("int_val", np.int32),
    dtypes.DT_UINT8: ("int_val", np.int32),
    dtypes.DT_UINT16: ("int_val", np.int32),
    dtypes.DT_QINT8: ("int_val", np.int32),
    dtypes.DT_QUINT8: ("int_val", np.int32),
    dtypes.DT_QINT16: ("int_val", np.int32),
    dtypes.DT_QUINT16: ("int_val", np.int32),
    dtypes.DT_QINT32: ("int_val", np.int32),
    dtypes.DT_INT64: ("int64_val", np.int64),
    dtypes.DT_BOOL: ("bool_val", np.bool_),
    dtypes.DT_UINT32: ("uint32_val", np.uint32),
    dtypes.DT_UINT64: ("uint64_val", np.uint64),
    dtypes.DT_HALF: ("half_val", np.int32),
    dtypes.DT_BFLOAT16: ("half_val", np.int32),
    dtypes.DT_COMPLEX64: ("scomplex_val", np.float32),
    dtypes.DT_COMPLEX128: ("dcomplex_val", np.float64),
}
_PAIRS = frozenset({dtypes.DT_COMPLEX64, dtypes.DT_COMPLEX128})
_FLOAT8 = frozenset({dtypes.DT_FLOAT8_E5M2, dtypes.DT_FLOAT8_E4M3FN})

# A message of a few bytes can claim any shape; no message can carry more than this.
_LARGEST = 2**31
_MOST_DIMENSIONS = 254


def to_array(name: str, proto: Any) -> Array:
    """The array of a TensorProto, read as TensorFlow reads it.

    Fewer typed values than elements repeat the last one, none at all mean zeros, surplus ones are ignored.

    Raises:
        ServingError: the message contradicts itself, or its type cannot be fed to a model.
    """
    number = proto.dtype
    dtype = NUMPY_TYPES.get(number)
    if dtype is None:
        raise _parsing_error(name)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise _parsing_error(name)
    elements = math.prod(shape)
    if elements * dtype.itemsize > _LARGEST:
        raise _parsing_error(name)
    if not elements:
        return np.empty(shape, dtype)
    if number == dtypes.DT_STRING:
        return _strings(name, proto, elements).reshape(shape)
    if proto.tensor_content:
        if len(proto.tensor_content) != elements * dtype.itemsize:
            raise _parsing_error(name)
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    array = _typed_values(proto, number, dtype)[:elements]
    if len(array) < elements:
        fill = array[-1:] if len(array) else np.zeros(1, dtype)
        array = np.concatenate([array, np.repeat(fill, elements - len(array))])
    return array.reshape(shape)


def fill_proto(proto: Any, array: Array, *, as_content: bool = False) -> None:
    """Write `array` into a TensorProto: typed values, or raw bytes with `as_content`. Strings are always typed."""
    number = TF_TYPES[array.dtype]
    proto.dtype = number
    dims = proto.tensor_shape.dim
    for size in array.shape:
        dims.add(size=size)
    if not array.size:
        return
    if number == dtypes.DT_STRING:
        if as_content:
            proto.tensor_content = _string_content(array.ravel().tolist())
        else:
            proto.string_val.extend(array.ravel().tolist())
        return
    if as_content:
        proto.tensor_content = array.tobytes()
        return
    values = np.ascontiguousarray(array.ravel())
    if number in _FLOAT8:
        proto.float8_val = values.tobytes()
        return
    field, field_type = _FIELDS[number]
    if number in _PAIRS:
        values = values.view(field_type)
    elif field == "half_val":
        values = values.view(np.uint16)
    elif values.dtype.names:
        values = values[values.dtype.names[0]]
    getattr(proto, field).extend(values.tolist())


def _typed_values(proto: Any, number: int, dtype: np.dtype[Any]) -> Array:
    if number in _FLOAT8:
        return np.frombuffer(proto.float8_val, np.uint8).view(dtype)
    field, field_type = _FIELDS[number]
    values = np.array(getattr(proto, field), field_type)
    if number in _PAIRS:
        return values[: len(values) // 2 * 2].view(dtype)
    if field == "half_val":
        return values.astype(np.uint16).view(dtype)
    if dtype.names:
        return values.astype(dtype[0]).view(dtype)
    # The narrow integers wrap around instead of failing, like TensorFlow's.
    return values.astype(dtype, copy=False)


def _strings(name: str, proto: Any, elements: int) -> Array:
    content = proto.tensor_content
    values = _split_content(name, content, elements) if content else list(proto.string_val[:elements])
    values += [values[-1] if values else b""] * (elements - len(values))
    array = np.empty(elements, np.object_)
    array[:] = values
    return array


def _split_content(name: str, content: bytes, elements: int) -> list[bytes]:
    """The raw form of strings: all lengths as varints, then all bytes."""
    lengths: list[int] = []
    position = value = shift = 0
    while len(lengths) < elements:
        if position >= len(content) or shift > 63:
            raise _parsing_error(name)
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            lengths.append(value)
            value = shift = 0
    if position + sum(lengths) != len(content):
        raise _parsing_error(name)
    values = []
    for length in lengths:
        values.append(content[position : position + length])
        position += length
    return values


def _string_content(values: list[bytes]) -> bytes:
    content = bytearray()
    for value in values:
        length = len(value)
        while length > 0x7F:
            content.append(length & 0x7F | 0x80)
            length >>= 7
        content.append(length)
    return bytes(content) + b"".join(values)


def _parsing_error(name: str) -> ServingError:
    return invalid(f"tensor parsing error: {name}")
