"""NumPy arrays to TensorFlow's tensors and back, across the C API.

Everything is copied, so that no memory of the one has to outlive the other. What is small is copied without giving up
Python's lock, which would cost more than the copy.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from tf_serving.embedded import string_tensor
from tf_serving.embedded.dtypes import DT_STRING, NUMPY_TYPES, TF_TYPES, Array, type_name
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.tf_library import Deallocator, library

_SMALL = 16 * 1024  # bytes
_copy_small = ctypes.PyDLL(None).memmove
_copy_small.restype, _copy_small.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_DIMS = [ctypes.c_int64 * rank for rank in range(255)]

# Memory of string tensors that TensorFlow still uses, by address.
_LENT: dict[int, Any] = {}


def _forget_lent(address: int, _length: int, _argument: int) -> None:
    _LENT.pop(address, None)


_return_lent = Deallocator(_forget_lent)


def new_tensor(array: Array) -> int:
    """A TF_Tensor with the values of `array`; to be deleted by the caller.

    Raises:
        ServingError: RESOURCE_EXHAUSTED.
    """
    tf, size, rank = library(), array.nbytes, array.ndim
    dims = _DIMS[rank](*array.shape)
    if array.dtype.hasobject:
        return _new_string_tensor(array, dims)
    tensor: int | None = tf.TF_AllocateTensor(TF_TYPES[array.dtype], dims, rank, size)
    if tensor is None:
        raise ServingError(Code.RESOURCE_EXHAUSTED, f"No memory for an input of {size} bytes")
    if size > _SMALL:
        array = np.asarray(array, order="C")  # `order` keeps a scalar a scalar
        ctypes.memmove(tf.TF_TensorData(tensor), array.ctypes.data, size)
    elif size:
        _copy_small(tf.TF_TensorData(tensor), array.tobytes(), size)
    return tensor


def _new_string_tensor(array: Array, dims: Any) -> int:
    if not array.size:
        empty: int = library().TF_AllocateTensor(DT_STRING, dims, array.ndim, 0)
        return empty
    structures, texts = string_tensor.packed(array.ravel().tolist())
    address = ctypes.addressof(structures)
    _LENT[address] = structures, texts
    tensor: int = library().TF_NewTensor(
        DT_STRING, dims, array.ndim, address, string_tensor.SIZE * array.size, _return_lent, None
    )
    return tensor


def read_tensor(tensor: int) -> Array:
    """The values of a TF_Tensor.

    Raises:
        ServingError: UNIMPLEMENTED, values of its type cannot be given.
    """
    tf = library()
    number = tf.TF_TensorType(tensor)
    dtype = NUMPY_TYPES.get(number)
    if dtype is None:
        text = f"The embedded server does not give tensors of type {type_name(number)}"
        raise ServingError(Code.UNIMPLEMENTED, text)
    shape = tuple([tf.TF_Dim(tensor, axis) for axis in range(tf.TF_NumDims(tensor))])
    elements = math.prod(shape)
    if number == DT_STRING:
        return string_tensor.unpacked(tf.TF_TensorData(tensor) or 0, elements).reshape(shape)
    size = elements * dtype.itemsize
    if 0 < size <= _SMALL:
        return np.ndarray(shape, dtype, ctypes.string_at(tf.TF_TensorData(tensor), size))
    array = np.empty(shape, dtype)
    if size:
        ctypes.memmove(array.ctypes.data, tf.TF_TensorData(tensor), size)
    return array
