"""Reads TFRecord files: records framed by their length and masked CRC-32C checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tf_serving.embedded.status import Code, ServingError

_HEADER, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


def read_records(file: Path) -> Iterator[bytes]:
    """The records in order.

    Raises:
        ServingError: DATA_LOSS, this is no TFRecord file or it is damaged.
        OSError: it cannot be read.
    """
    data = memoryview(file.read_bytes())
    offset = 0
    while offset < len(data):
        if offset + _HEADER.size > len(data):
            raise _data_loss("truncated", offset)
        length, checksum = _HEADER.unpack_from(data, offset)
        if checksum != masked_crc32c(data[offset : offset + 8]):
            raise _data_loss("corrupted", offset)
        start = offset + _HEADER.size
        end = start + length
        if end + _CHECKSUM.size > len(data):
            raise _data_loss("truncated", offset)
        if _CHECKSUM.unpack_from(data, end)[0] != masked_crc32c(data[start:end]):
            raise _data_loss("corrupted", offset)
        yield bytes(data[start:end])
        offset = end + _CHECKSUM.size


def masked_crc32c(data: bytes | memoryview) -> int:
    """CRC-32C, rotated and shifted as TFRecord stores it."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


def _data_loss(what: str, offset: int) -> ServingError:
    return ServingError(Code.DATA_LOSS, f"{what} record at {offset}")
