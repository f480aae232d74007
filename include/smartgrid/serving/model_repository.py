"""The folder of versions that the model server watches: `<base>/<version>/saved_model.pb`.

TensorFlow Serving and the embedded server look every second and load what they find, so a version must appear whole or
not at all: it is copied beside the base path, flushed to disk and renamed into place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartgrid.serving.errors import ServingError


class NotASavedModel(ServingError):
    """The folder to publish is not a SavedModel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} is not a SavedModel: it has no saved_model.pb.")


class VersionConflict(ServingError):
    """The version is published already, with other content. Versions never change: publish a new number."""

    def __init__(self, base: Path, version: int) -> None:
        self.base, self.version = base, version
        super().__init__(f"{base / str(version)} exists with other content. Publish under a new version number.")


def versions(base: Path) -> list[int]:
    """Published versions, ascending; none when the folder does not exist."""
    if not base.is_dir():
        return []
    return sorted(int(child.name) for child in base.iterdir() if child.name.isdecimal() and child.is_dir())


def publish(saved_model: Path, base: Path, version: int) -> Path:
    """Copy the SavedModel folder to `base/<version>` and return that. Repeating it changes nothing.

    Raises:
        NotASavedModel: nothing to publish. VersionConflict: the version exists with other content.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise NotASavedModel(saved_model)
    if version < 1:
        raise ValueError(f"a version is a positive integer, not {version}")
    target = base / str(version)
    base.mkdir(parents=True, exist_ok=True)
    with _exclusive(base):
        _clear_stages(base)
        if target.exists():
            if _digest(target) != _digest(saved_model):
                raise VersionConflict(base, version)
            return target
        stage = Path(tempfile.mkdtemp(prefix=_stage_prefix(base), dir=_stage_folder(base)))
        try:
            content = stage / "content"
            shutil.copytree(saved_model, content)
            _flush(content)
            os.rename(content, target)
            _flush_folder(base)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return target


def remove(base: Path, version: int) -> bool:
    """Take a version away, whole at once. False: there was none."""
    target = base / str(version)
    if not target.is_dir():
        return False
    with _exclusive(base):
        stage = Path(tempfile.mkdtemp(prefix=_stage_prefix(base), dir=_stage_folder(base)))
        os.rename(target, stage / "content")
        shutil.rmtree(stage)
    return True


def prune(base: Path, keep: int = 3) -> list[int]:
    """Remove all but the `keep` newest versions and return the removed ones. The newest is never removed."""
    removed = versions(base)[: -max(1, keep)]
    for version in removed:
        remove(base, version)
    return removed


def _stage_folder(base: Path) -> Path:
    """Beside the base path, unless that is a mount of its own: a rename must stay on one file system.

    Inside the base path is safe too: servers look at names that are integers only.
    """
    return base.parent if base.parent.stat().st_dev == base.stat().st_dev else base


def _stage_prefix(base: Path) -> str:
    return f".staging-{base.name}-"


def _clear_stages(base: Path) -> None:
    """Remove what a publisher that was killed left behind. The lock is held, so no stage is in use."""
    for stage in _stage_folder(base).glob(_stage_prefix(base) + "*"):
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _exclusive(base: Path) -> Iterator[None]:
    """One publisher a base path at a time; the lock ends with its process."""
    with (_stage_folder(base) / f".lock-{base.name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_folder(path)
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(folder: Path) -> str:
    """Names and contents of all files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
