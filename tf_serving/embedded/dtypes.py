"""TensorFlow's data types as numbers, names and NumPy types.

Strings are object arrays of `bytes`. Types that NumPy has not (bfloat16, the quantized integers, 8-bit floats) are
one-field structures named after the type, so that each NumPy type means exactly one TensorFlow type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

DT_FLOAT, DT_DOUBLE, DT_INT32, DT_UINT8, DT_INT16, DT_INT8, DT_STRING = 1, 2, 3, 4, 5, 6, 7
DT_COMPLEX64, DT_INT64, DT_BOOL, DT_QINT8, DT_QUINT8, DT_QINT32, DT_BFLOAT16 = 8, 9, 10, 11, 12, 13, 14
DT_QINT16, DT_QUINT16, DT_UINT16, DT_COMPLEX128, DT_HALF = 15, 16, 17, 18, 19
DT_UINT32, DT_UINT64, DT_FLOAT8_E5M2, DT_FLOAT8_E4M3FN = 22, 23, 24, 25

_NAMES = {
    DT_FLOAT: "float",
    DT_DOUBLE: "double",
    DT_INT32: "int32",
    DT_UINT8: "uint8",
    DT_INT16: "int16",
    DT_INT8: "int8",
    DT_STRING: "string",
    DT_COMPLEX64: "complex64",
    DT_INT64: "int64",
    DT_BOOL: "bool",
    DT_QINT8: "qint8",
    DT_QUINT8: "quint8",
    DT_QINT32: "qint32",
    DT_BFLOAT16: "bfloat16",
    DT_QINT16: "qint16",
    DT_QUINT16: "quint16",
    DT_UINT16: "uint16",
    DT_COMPLEX128: "complex128",
    DT_HALF: "half",
    20: "resource",
    21: "variant",
    DT_UINT32: "uint32",
    DT_UINT64: "uint64",
    DT_FLOAT8_E5M2: "float8_e5m2",
    DT_FLOAT8_E4M3FN: "float8_e4m3fn",
}


def _wrapped(number: int, numpy_type: type[np.generic]) -> np.dtype[Any]:
    return np.dtype([(_NAMES[number], numpy_type)])


NUMPY_TYPES: dict[int, np.dtype[Any]] = {
    DT_FLOAT: np.dtype(np.float32),
    DT_DOUBLE: np.dtype(np.float64),
    DT_INT32: np.dtype(np.int32),
    DT_UINT8: np.dtype(np.uint8),
    DT_INT16: np.dtype(np.int16),
    DT_INT8: np.dtype(np.int8),
    DT_STRING: np.dtype(np.object_),
    DT_COMPLEX64: np.dtype(np.complex64),
    DT_INT64: np.dtype(np.int64),
    DT_BOOL: np.dtype(np.bool_),
    DT_QINT8: _wrapped(DT_QINT8, np.int8),
    DT_QUINT8: _wrapped(DT_QUINT8, np.uint8),
    DT_QINT32: _wrapped(DT_QINT32, np.int32),
    DT_BFLOAT16: _wrapped(DT_BFLOAT16, np.uint16),
    DT_QINT16: _wrapped(DT_QINT16, np.int16),
    DT_QUINT16: _wrapped(DT_QUINT16, np.uint16),
    DT_UINT16: np.dtype(np.uint16),
    DT_COMPLEX128: np.dtype(np.complex128),
    DT_HALF: np.dtype(np.float16),
    DT_UINT32: np.dtype(np.uint32),
    DT_UINT64: np.dtype(np.uint64),
    DT_FLOAT8_E5M2: _wrapped(DT_FLOAT8_E5M2, np.uint8),
    DT_FLOAT8_E4M3FN: _wrapped(DT_FLOAT8_E4M3FN, np.uint8),
}
TF_TYPES: dict[np.dtype[Any], int] = {numpy_type: number for number, numpy_type in NUMPY_TYPES.items()}


def type_name(number: int) -> str:
    """TensorFlow's own name of the type, as in its error texts."""
    return _NAMES.get(number, f"unknown dtype enum ({number})")
