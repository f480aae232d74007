from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from smartgrid.errors import WindowError
from smartgrid.lake import ChecksumMismatch, DatasetMissing, DatasetRef, Window, read_parquet, write_parquet
from smartgrid.lake.files import exists, join, read_bytes, write_bytes

DAY = Window("2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00")


def test_reference_finds_and_proves_what_was_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 3]})
    ref = write_parquet(frame, str(tmp_path / "deep" / "a.parquet"), DAY, run="r1")
    again = DatasetRef.model_validate_json(ref.model_dump_json())
    assert again == ref
    assert (again.rows, again.run) == (3, "r1")
    assert read_parquet(again).equals(frame)


def test_changed_file_is_noticed(tmp_path: Path) -> None:
    ref = write_parquet(pl.DataFrame({"a": [1]}), str(tmp_path / "a.parquet"), DAY)
    write_parquet(pl.DataFrame({"a": [2]}), ref.uri, DAY)
    with pytest.raises(ChecksumMismatch) as caught:
        read_parquet(ref)
    assert caught.value.expected == ref.sha256


def test_missing_file_is_named(tmp_path: Path) -> None:
    uri = str(tmp_path / "gone.parquet")
    assert not exists(uri)
    with pytest.raises(DatasetMissing, match=r"gone\.parquet"):
        read_parquet(DatasetRef(uri=uri, sha256="0", rows=0, window=DAY))


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(str(path), b"old")
    with pytest.raises(TypeError):
        write_bytes(str(path), "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_users_may_read_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "reference").write_bytes(b"")
    write_bytes(str(tmp_path / "a"), b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "reference").stat().st_mode


def test_remote_lakes_are_written_through_fsspec() -> None:
    uri = join("memory://lake/", "x", "a.bin")
    write_bytes(uri, b"1")
    assert exists(uri)
    assert read_bytes(uri) == b"1"


def test_window_is_kept_in_utc_and_half_open() -> None:
    east = timezone(timedelta(hours=2))
    window = Window(datetime(2024, 1, 1, 2, tzinfo=east), datetime(2024, 1, 1, 5, tzinfo=east))
    assert window.start == datetime(2024, 1, 1, tzinfo=UTC)
    assert window.start.tzinfo == UTC
    assert window.hours == 3
    assert str(window) == "2024-01-01T00:00Z..2024-01-01T03:00Z"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-01T00:00:00", "2024-01-02T00:00:00+00:00"),
        ("2024-01-01T00:00:00+00:00", "2024-01-01T00:00:00+00:00"),
        ("2024-01-02T00:00:00+00:00", "2024-01-01T00:00:00+00:00"),
    ],
)
def test_window_without_zone_or_length_is_refused(start: str, end: str) -> None:
    with pytest.raises(WindowError):
        Window(start, end)
