"""TensorProto to NumPy and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import NUMPY_TYPES, TF_TYPES, Array, type_name
from tf_serving.embedded.status import Code, ServingError, invalid

# The field that carries values of a type, where `tensor_content` does not.
_FIELDS = {
    dtypes.DT_FLOAT: "float_val",
    dtypes.DT_DOUBLE: "double_val",
    dtypes.DT_INT32: "int_val",
    dtypes.DT_INT16: "int_val",
    dtypes.DT_INT8: "int_val",
    dtypes.DT_UINT8: "int_val",
    dtypes.DT_UINT16: "int_val",
    dtypes.DT_INT64: "int64_val",
    dtypes.DT_BOOL: "bool_val",
    dtypes.DT_UINT32: "uint32_val",
    dtypes.DT_UINT64: "uint64_val",
    dtypes.DT_HALF: "half_val",
}

# A message of a few bytes can claim any shape; no message can carry more than this.
_LARGEST = 2**31


def to_array(name: str, proto: Any) -> Array:
    """The array of a TensorProto; fewer typed values than elements repeat the last one.

    Raises:
        ServingError: the message contradicts itself, or its type is not supported.
    """
    dtype = NUMPY_TYPES.get(proto.dtype)
    if dtype is None:
        text = f"The embedded server does not take tensors of type {type_name(proto.dtype)} ({name})"
        raise ServingError(Code.UNIMPLEMENTED, text)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise _parsing_error(name)
    elements = math.prod(shape)
    if elements * dtype.itemsize > _LARGEST:
        raise _parsing_error(name)
    if proto.tensor_content:
        if len(proto.tensor_content) != elements * dtype.itemsize:
            raise _parsing_error(name)
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values = getattr(proto, _FIELDS[proto.dtype])
    if len(values) > elements:
        raise _parsing_error(name)
    if proto.dtype == dtypes.DT_HALF:
        array: Array = np.array(values, np.uint16).view(np.float16)
    else:
        # By way of 64 bits for the narrow integers: like TensorFlow, they wrap around instead of failing.
        wide = np.int64 if _FIELDS[proto.dtype] == "int_val" else dtype
        array = np.array(values, wide).astype(dtype, copy=False)
    if len(array) < elements:
        fill = array[-1:] if len(array) else np.zeros(1, dtype)
        array = np.concatenate([array, np.repeat(fill, elements - len(array))])
    return array.reshape(shape)


def fill_proto(proto: Any, array: Array, *, as_content: bool = False) -> None:
    """Write `array` into a TensorProto: typed values, or raw bytes with `as_content`."""
    number = TF_TYPES[array.dtype]
    proto.dtype = number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if as_content:
        proto.tensor_content = np.asarray(array, order="C").tobytes()
        return
    values = array.ravel()
    if number == dtypes.DT_HALF:
        values = values.view(np.uint16)
    getattr(proto, _FIELDS[number]).extend(values.tolist())


def _parsing_error(name: str) -> ServingError:
    return invalid(f"tensor parsing error: {name}")
