"""Reads and writes TFRecord files: records framed by their length and masked CRC-32C checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tf_serving.embedded.crc32c import crc32c
from tf_serving.embedded.status import Code, ServingError

_HEADER, _LENGTH, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<Q"), struct.Struct("<I")
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


def framed(record: bytes) -> bytes:
    """A record as it stands in a file."""
    length = _LENGTH.pack(len(record))
    return b"".join((length, _CHECKSUM.pack(masked_crc32c(length)), record, _CHECKSUM.pack(masked_crc32c(record))))


def masked_crc32c(data: bytes | memoryview) -> int:
    """CRC-32C, rotated and shifted as TFRecord stores it."""
    checksum = crc32c(data)
    return (((checksum >> 15) | (checksum << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _data_loss(what: str, offset: int) -> ServingError:
    return ServingError(Code.DATA_LOSS, f"{what} record at {offset}")
