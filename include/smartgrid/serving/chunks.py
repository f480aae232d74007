"""Cuts a large request into parts, all answered by one version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

VALUES_PER_REQUEST = 1_000_000  # 8 MB by gRPC, about 20 MB as JSON


def row_chunks(features: Array, values_per_request: int = VALUES_PER_REQUEST) -> Iterator[Array]:
    """Consecutive parts of the rows of `features` (n, ...)."""
    rows, per_row = len(features), max(1, features.size // max(1, len(features)))
    step = max(1, values_per_request // per_row)
    for start in range(0, rows, step):
        yield features[start : start + step]


def predict_in_chunks(
    features: Array,
    predict_chunk: Callable[[Array, int | None], Array],
    newest_version: Callable[[], int],
    *,
    pinned: bool,
    values_per_request: int = VALUES_PER_REQUEST,
) -> Array:
    """Predict chunk by chunk and join the answers.

    Unless the caller has `pinned` a version or label, more than one chunk is sent to the version that is newest now:
    a version swapped in between two chunks must not answer half of a forecast.
    """
    import numpy as np

    if len(features) == 0:
        return np.empty(0, dtype=np.float64)
    chunks = list(row_chunks(features, values_per_request))
    version = None if pinned or len(chunks) == 1 else newest_version()
    return np.concatenate([predict_chunk(chunk, version) for chunk in chunks])
