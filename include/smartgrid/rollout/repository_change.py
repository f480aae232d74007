"""A change of the model repository that can be taken back as a whole.

The model server serves the highest version it finds. Promoting adds a version; rolling back also takes the higher
ones away, which are kept aside until the change is final.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from smartgrid.serving import model_repository


class RepositoryChange:
    """Makes `version` the one to serve. Leaving the block on an error, or without `keep()`, undoes it."""

    def __init__(self, saved_model: Path, base: Path, version: int, *, in_force: int | None) -> None:
        self._saved_model, self._base, self._version, self._in_force = saved_model, base, version, in_force
        self._aside: Path | None = None
        self._moved: list[int] = []
        self._kept = False

    def __enter__(self) -> RepositoryChange:
        self._aside = Path(tempfile.mkdtemp(prefix="model-repository-"))
        model_repository.publish(self._saved_model, self._base, self._version)
        for newer in [version for version in model_repository.versions(self._base) if version > self._version]:
            shutil.copytree(self._base / str(newer), self._aside / str(newer))
            self._moved.append(newer)
            model_repository.remove(self._base, newer)
        return self

    def keep(self) -> None:
        """The change is final."""
        self._kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._aside is not None
        try:
            if not self._kept:
                for newer in self._moved:
                    model_repository.publish(self._aside / str(newer), self._base, newer)
                if self._version != self._in_force:
                    model_repository.remove(self._base, self._version)
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)
