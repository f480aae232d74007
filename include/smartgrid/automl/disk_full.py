"""A full disk, told as what it is."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartgrid.errors import SmartGridError

# No space, no quota, or a limit on the size of a file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(SmartGridError):
    """Something could not be written because there is no room for it."""

    def __init__(self, place: Path | str, problem: str) -> None:
        self.place, self.problem = str(place), problem
        super().__init__(
            f"No room to write {place} ({problem}). Free space or move SMARTGRID_HOME; what was served before still is."
        )


@contextmanager
def naming_a_full_disk(place: Path) -> Iterator[None]:
    """Turn the operating system's error into DiskFull; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(error.filename or place, error.strerror or str(error)) from error
        raise


def full_disk_in(text: str) -> str | None:
    """The operating system's words for a full disk, if an error message has them.

    >>> full_disk_in("saved_model.pb; No space left on device")
    'No space left on device'
    """
    return next((os.strerror(number) for number in FULL if os.strerror(number) in text), None)
