"""K-Means of large data: centroids learnt on a sample, refined by Lloyd's steps over pieces of all rows.

Sculley 2010 (mini-batch) and Bradley and Fayyad 1998 (start from a sample's clustering) say why it works: a sample of
some ten thousand rows fixes the centroids to a fraction of a percent, and one to few full steps remove what is left.
The products are in single precision, around the mean, the sums in double.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.mining.limits import Deadline

Singles = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Pieces = Callable[[], Iterator[Singles]]

SAMPLE_ROWS = 10_000
SAMPLE_STARTS = 4
MAX_STEPS = 20
# A step that lowers the inertia by less than this part of it is the last.
ENOUGH = 1e-4
PIECE_ROWS = 8_192


@dataclass(frozen=True)
class LloydFit:
    """centroids (k, d) in the units of the pieces, labels (n,) of the nearest centroid, inertia, full steps taken."""

    centroids: Floats
    labels: npt.NDArray[np.int64]
    inertia: float
    steps: int


def lloyd(
    pieces: Pieces,
    sample: Singles,
    k: int,
    *,
    seed: int,
    deadline: Deadline,
    max_steps: int = MAX_STEPS,
    enough: float = ENOUGH,
) -> LloydFit:
    """Cluster the rows of all pieces. `pieces()` starts a pass; rows are near the origin (mean taken off)."""
    from sklearn.cluster import KMeans

    start = KMeans(k, n_init=SAMPLE_STARTS, random_state=seed).fit(sample)
    centroids = start.cluster_centers_.astype(np.float64)
    before = float("inf")
    steps = 0
    while True:
        steps += 1
        labels, sums, sizes, inertia = _step(pieces, centroids, deadline)
        if steps >= max_steps or before - inertia <= enough * inertia:
            return LloydFit(centroids, labels, inertia, steps)
        before = inertia
        # An empty cluster keeps its centroid: rows may come back to it.
        filled = sizes > 0
        centroids = centroids.copy()
        centroids[filled] = sums[filled] / sizes[filled, None]


def _step(
    pieces: Pieces, centroids: Floats, deadline: Deadline
) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], float]:
    """Nearest centroids; sums and sizes of their rows; inertia."""
    k = len(centroids)
    single = centroids.astype(np.float32)
    half = 0.5 * np.einsum("ij,ij->i", centroids, centroids).astype(np.float32)
    sums = np.zeros_like(centroids)
    sizes = np.zeros(k, dtype=np.int64)
    labels = []
    inertia = 0.0
    for piece in pieces():
        deadline.check("clustering")
        score = piece @ single.T
        score -= half
        nearest = score.argmax(axis=1)
        # |x - c|^2 = |x|^2 - 2 (x.c - |c|^2 / 2)
        squares = np.einsum("ij,ij->i", piece, piece)
        best = np.take_along_axis(score, nearest[:, None], axis=1)[:, 0]
        inertia += float(squares.sum(dtype=np.float64)) - 2.0 * float(best.sum(dtype=np.float64))
        one_hot = np.zeros((k, len(piece)), dtype=np.float32)
        one_hot[nearest, np.arange(len(piece))] = 1.0
        sums += one_hot @ piece
        sizes += np.bincount(nearest, minlength=k)
        labels.append(nearest)
    return np.concatenate(labels), sums, sizes, inertia
