"""CRC-32C, the checksum of TFRecord files. No library of this environment has it, so it is computed here.

Short data is read byte by byte. Long data is cut into blocks whose checksums advance side by side in NumPy, and are
then joined: the checksum register is linear over bits, so that what a block contributes is its own checksum pushed
through as many zero bytes as follow it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tf_serving.embedded.dtypes import Array

_POLYNOMIAL = 0x82F63B78
_BLOCKS = 1024
_SHORT = 16 * _BLOCKS
_BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of `data`."""
    if len(data) < _SHORT:
        table, register = _table(), 0xFFFFFFFF
        for byte in data:
            register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        return register ^ 0xFFFFFFFF
    return _blockwise(np.frombuffer(data, np.uint8)) ^ 0xFFFFFFFF


def _blockwise(data: Array) -> int:
    length = -(-len(data) // _BLOCKS)
    # A register of 0 stays 0 over zero bytes, hence the padding in front; the usual start value is moved into the data.
    padded = np.zeros(_BLOCKS * length, np.uint8)
    padded[-len(data) :] = data
    padded[len(padded) - len(data) :][:4] ^= 0xFF
    columns = np.ascontiguousarray(padded.reshape(_BLOCKS, length).T)
    registers = np.zeros(_BLOCKS, np.uint32)
    step = _BITS.copy()  # what each bit of a register becomes over one block of zeros
    table = np.array(_table(), np.uint32)
    for column in columns:
        registers = table[(registers ^ column) & 0xFF] ^ (registers >> 8)
        step = table[step & 0xFF] ^ (step >> 8)
    while len(registers) > 1:
        registers = _pushed(registers[0::2], step) ^ registers[1::2]
        step = _pushed(step, step)
    return int(registers[0])


def _pushed(registers: Array, step: Array) -> Array:
    bits = np.where(registers[:, np.newaxis] & _BITS, step, np.uint32(0))
    pushed: Array = np.bitwise_xor.reduce(bits, axis=1)
    return pushed


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)
