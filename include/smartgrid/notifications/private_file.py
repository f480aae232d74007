"""Secrets that a home makes for itself on first use: files that only their owner may read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path


def made_once(path: Path, fresh: Callable[[], str]) -> str:
    """The content of `path`; if there is no such file, it is made of what `fresh` returns, mode 0600.

    Raises:
        OSError: it can be neither read nor made.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(fresh())
                file.flush()
                os.fsync(file.fileno())
            # A link, not a rename: of two that start together, the second must use what the first one made.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text(encoding="ascii").strip()
