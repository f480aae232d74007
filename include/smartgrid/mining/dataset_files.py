"""Which files a request may name, and their content once its checksum is proved."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from smartgrid.lake.dataset_ref import DatasetMissing
from smartgrid.lake.files import is_local, local_path, read_bytes
from smartgrid.mining.errors import MiningError
from smartgrid.settings import Settings

SUFFIXES = (".csv", ".parquet", ".pq")
# Folders of HOME that hold keys, databases and logs: no request reads there, whatever lies in them.
CLOSED = ("secrets", "airflow", "run", "logs", "mlflow")
_ALLOWED = "a CSV or Parquet file in the lake or in HOME"


class DatasetRefused(MiningError):
    """The named file is outside of the lake and of HOME, is no table, or does not exist: the answer is the same."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        super().__init__("dataset.uri", _ALLOWED, f"{uri!r} is none.")


class DatasetChanged(MiningError):
    """The content is not what the reference says."""

    def __init__(self, uri: str, expected: str) -> None:
        self.uri, self.expected = uri, expected
        super().__init__("dataset.sha256", "the SHA-256 of the file's content", f"{uri!r} has not {expected[:12]}….")


@dataclass(frozen=True)
class DatasetFile:
    """`uri` is absolute, without links; `size_bytes` is None for a file of an object store."""

    uri: str
    suffix: str
    size_bytes: int | None


def located(uri: str, settings: Settings) -> DatasetFile:
    """The file that `uri` names: a path (absolute, or relative to HOME or to the lake), or a URL within the lake.

    Raises:
        DatasetRefused
    """
    suffix = os.path.splitext(uri)[1].lower()
    if suffix not in SUFFIXES or "\0" in uri:
        raise DatasetRefused(uri)
    lake = settings.lake_root
    if not is_local(uri):
        if is_local(lake) or not uri.startswith(lake.rstrip("/") + "/") or ".." in uri.split("/"):
            raise DatasetRefused(uri)
        return DatasetFile(uri, suffix, None)
    home = Path(os.path.realpath(settings.home))
    roots = [home, Path(os.path.realpath(local_path(lake)))] if is_local(lake) else [home]
    for root in roots:
        # An absolute path stays what it is when it is joined.
        path = Path(os.path.realpath(root / local_path(uri)))
        if _inside(path, roots, home) and (size := _size(path)) is not None:
            return DatasetFile(str(path), suffix, size)
    raise DatasetRefused(uri)


def _size(path: Path) -> int | None:
    """Bytes of a regular file; None for what is none, is missing, may not be read or has an impossible name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _inside(path: Path, roots: list[Path], home: Path) -> bool:
    closed = [home / name for name in CLOSED]
    return any(path.is_relative_to(root) for root in roots) and not any(path.is_relative_to(name) for name in closed)


def content(file: DatasetFile, sha256: str) -> bytes:
    """The bytes of the file.

    Raises:
        DatasetRefused: it went away. DatasetChanged: the checksum is another one.
    """
    try:
        data = read_bytes(file.uri)
    except (DatasetMissing, OSError):
        raise DatasetRefused(file.uri) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DatasetChanged(file.uri, sha256)
    return data
