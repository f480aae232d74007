"""TFRecord files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tf_serving.embedded import crc32c
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.tfrecord import framed as written
from tf_serving.embedded.tfrecord import masked_crc32c, read_records


def unmasked(masked: int) -> int:
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def framed(record: bytes) -> bytes:
    header = struct.pack("<Q", len(record))
    return header + struct.pack("<I", masked_crc32c(header)) + record + struct.pack("<I", masked_crc32c(record))


def test_checksum_is_crc_32c() -> None:
    assert unmasked(masked_crc32c(b"123456789")) == 0xE3069283
    assert unmasked(masked_crc32c(bytes(32))) == 0x8A9136AA


@pytest.mark.parametrize("size", [16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100_003])
def test_long_data_have_the_same_checksum_as_read_byte_by_byte(size: int) -> None:
    data, register = np.random.default_rng(size).bytes(size), 0xFFFFFFFF
    for byte in data:
        register = crc32c._table()[(register ^ byte) & 0xFF] ^ (register >> 8)
    assert crc32c.crc32c(data) == register ^ 0xFFFFFFFF


def test_a_written_record_is_framed() -> None:
    assert written(b"one") == framed(b"one")


def test_records_come_in_order(tmp_path: Path) -> None:
    records = [b"", b"one", bytes(range(256)) * 50]
    file = tmp_path / "records"
    file.write_bytes(b"".join(framed(record) for record in records))
    assert list(read_records(file)) == records


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"short", "truncated record at 0"),
        (b"this is no record at all", "corrupted record at 0"),
        (framed(b"one") + framed(b"two")[:-1], "truncated record at 19"),
        (framed(b"one")[:-5] + b"X" + framed(b"one")[-4:], "corrupted record at 0"),
    ],
)
def test_damage_is_reported_with_its_place(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "records"
    file.write_bytes(content)
    with pytest.raises(ServingError, match=text) as caught:
        list(read_records(file))
    assert caught.value.code is Code.DATA_LOSS
