"""String tensors across the C API: arrays of TensorFlow's 24-byte TF_TString.

The lowest two bits of the first byte say how the text is kept: inside the structure (up to 22 bytes), on the heap,
at an offset from the structure, or as a view of somebody else's memory. Inputs are written in the first two forms:
TensorFlow copies those deeply wherever it keeps them, so that no pointer into our memory outlives the tensor.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np

from tf_serving.embedded.dtypes import Array

SIZE = 24
_LONGEST_INLINE = 22
_INLINE, _HEAP, _OFFSET = 0, 1, 2
_THREE_WORDS = struct.Struct("=QQQ")
_OFFSET_WORDS = struct.Struct("=II")


def packed(values: list[bytes]) -> tuple[Any, Any]:
    """The structures of `values`, and the buffer they point into; both must live as long as the tensor."""
    long_values = [value for value in values if len(value) > _LONGEST_INLINE]
    texts = ctypes.create_string_buffer(b"\0".join(long_values)) if long_values else None
    position = ctypes.addressof(texts) if texts is not None else 0
    structures = []
    for value in values:
        length = len(value)
        if length <= _LONGEST_INLINE:
            structures.append(bytes((length << 2,)) + value.ljust(SIZE - 1, b"\0"))
        else:
            structures.append(_THREE_WORDS.pack(length << 2 | _HEAP, length, position))
            position += length + 1
    return ctypes.create_string_buffer(b"".join(structures), SIZE * len(values)), texts


def unpacked(address: int, elements: int) -> Array:
    """A flat object array of the `bytes` of the structures at `address`."""
    raw = ctypes.string_at(address, SIZE * elements)
    array = np.empty(elements, np.object_)
    for index in range(elements):
        start = index * SIZE
        kind = raw[start] & 3
        if kind == _INLINE:
            array[index] = raw[start + 1 : start + 1 + (raw[start] >> 2)]
        elif kind == _OFFSET:
            size, offset = _OFFSET_WORDS.unpack_from(raw, start)
            array[index] = ctypes.string_at(address + start + offset, size >> 2)
        else:
            size, second, third = _THREE_WORDS.unpack_from(raw, start)
            array[index] = ctypes.string_at(third if kind == _HEAP else second, size >> 2)
    return array
