"""Versions on disk, which of them are wanted, and the states that GetModelStatus reports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from tf_serving.embedded.model_config import VersionPolicy
from tf_serving.embedded.status import Code

MAX_VERSION = 2**63 - 1

Fingerprint = tuple[tuple[str, int, int], ...]


class State(IntEnum):
    """ModelVersionStatus.State."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """State of one version. END with a code: its load failed; END with OK: it was unloaded."""

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


def versions_on_disk(base_path: Path) -> dict[int, Path]:
    """Version directories: children whose name is an integer (00000123 is 123). Everything else is ignored.

    Raises:
        OSError: the base path cannot be listed.
    """
    found: dict[int, Path] = {}
    for child in sorted(base_path.iterdir()):
        if child.name.isascii() and child.name.isdigit() and int(child.name) <= MAX_VERSION and child.is_dir():
            found[int(child.name)] = child
    return found


def wanted_versions(policy: VersionPolicy, on_disk: Collection[int], failing: Collection[int]) -> set[int]:
    """The versions to serve.

    A version that does not load does not count towards `latest`: the one below it is wanted too, so that a corrupt
    newest version leaves a model serving even after a restart.
    """
    if policy.kind == "all":
        return set(on_disk)
    if policy.kind == "specific":
        return set(on_disk) & policy.versions
    wanted: set[int] = set()
    working = 0
    for version in sorted(on_disk, reverse=True):
        if working == policy.count:
            break
        wanted.add(version)
        working += version not in failing
    return wanted


def fingerprint(folder: Path) -> Fingerprint:
    """Names, sizes and times of the files of a version: changes when somebody repairs or completes it."""
    entries = []
    for path in sorted(folder.rglob("*")):
        try:
            info = path.stat()
        except FileNotFoundError:
            continue  # being written: the next look differs
        entries.append((str(path.relative_to(folder)), info.st_size, info.st_mtime_ns))
    return tuple(entries)
