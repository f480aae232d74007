"""Cuts a large request into parts, all answered by one version."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

VALUES_PER_REQUEST = 1_000_000  # 8 MB by gRPC, about 20 MB as JSON


def row_chunks(inputs: Mapping[str, Array], values_per_request: int = VALUES_PER_REQUEST) -> Iterator[dict[str, Array]]:
    """Consecutive parts of the rows of all `inputs`; one part where they have no rows in common."""
    rows = {len(array) if array.ndim else None for array in inputs.values()}
    count = next(iter(rows)) if len(rows) == 1 else None
    if not count:
        yield dict(inputs)
        return
    per_row = max(1, sum(array.size for array in inputs.values()) // count)
    step = max(1, values_per_request // per_row)
    for start in range(0, count, step):
        yield {name: array[start : start + step] for name, array in inputs.items()}


def predict_in_chunks(
    inputs: Mapping[str, Array],
    predict_chunk: Callable[[Mapping[str, Array], int | None], dict[str, Array]],
    newest_version: Callable[[], int],
    *,
    pinned: bool,
    values_per_request: int = VALUES_PER_REQUEST,
) -> dict[str, Array]:
    """Predict chunk by chunk and join the answers.

    Unless the caller has `pinned` a version or label, more than one chunk is sent to the version that is newest now:
    a version swapped in between two chunks must not answer half of a forecast.
    """
    import numpy as np

    chunks = list(row_chunks(inputs, values_per_request))
    version = None if pinned or len(chunks) == 1 else newest_version()
    answers = [predict_chunk(chunk, version) for chunk in chunks]
    if len(answers) == 1:
        return answers[0]
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
