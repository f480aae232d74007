"""Parquet files on fsspec, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from pathlib import Path

import fsspec
import polars as pl

from smartgrid.lake.dataset_ref import ChecksumMismatch, DatasetMissing, DatasetRef
from smartgrid.lake.window import Window


def join(root: str, *parts: str) -> str:
    """Join a root folder or URL with relative parts."""
    return "/".join([root.rstrip("/"), *parts])


def is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file atomically: locally by a temporary name and a rename, remotely by one put."""
    if not is_local(uri):
        with fsspec.open(uri, "wb") as remote:
            remote.write(data)
        return
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its files are for their owner only, and containers read them as another user.
    temporary = path.parent / f".writing-{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def exists(uri: str) -> bool:
    if is_local(uri):
        return local_path(uri).exists()
    fs, path = fsspec.core.url_to_fs(uri)
    return bool(fs.exists(path))


def read_bytes(uri: str) -> bytes:
    """Content of a file.

    Raises:
        DatasetMissing: there is none.
    """
    try:
        with fsspec.open(uri, "rb") as file:
            data: bytes = file.read()
    except FileNotFoundError:
        raise DatasetMissing(uri) from None
    return data


def write_parquet(frame: pl.DataFrame, uri: str, window: Window, run: str = "") -> DatasetRef:
    """Write `frame` to `uri` and return the reference to it."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    data = buffer.getvalue()
    write_bytes(uri, data)
    return DatasetRef(uri=uri, sha256=hashlib.sha256(data).hexdigest(), rows=frame.height, window=window, run=run)


def read_parquet(ref: DatasetRef) -> pl.DataFrame:
    """Read a referenced file and verify its checksum.

    Raises:
        DatasetMissing, ChecksumMismatch
    """
    data = read_bytes(ref.uri)
    found = hashlib.sha256(data).hexdigest()
    if found != ref.sha256:
        raise ChecksumMismatch(ref.uri, ref.sha256, found)
    return pl.read_parquet(io.BytesIO(data))
