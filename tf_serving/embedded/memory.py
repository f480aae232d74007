"""Gives freed memory back to the system: the allocator would keep that of an unloaded model for itself."""

from __future__ import annotations

import ctypes
import gc


def release_freed_memory() -> None:
    """Where the C library can (glibc); elsewhere nothing happens."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
