"""How good a K-Means clustering is: silhouette, and stability under resampling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# All pairs of distances up to here; a sample of as many rows beyond.
SILHOUETTE_ROWS = 5_000
STABILITY_ROWS = 5_000
STABILITY_ROUNDS = 5
STABILITY_SHARE = 0.8


def silhouette(values: _Floats, labels: _Integers, seed: int) -> tuple[float | None, int]:
    """(mean silhouette, rows it was taken on). None where it is not defined: one cluster, or each row its own."""
    from sklearn.metrics import silhouette_score

    rows = len(labels)
    if rows > SILHOUETTE_ROWS:
        chosen = np.random.default_rng(seed).choice(rows, SILHOUETTE_ROWS, replace=False)
        values, labels = values[chosen], labels[chosen]
    clusters = len(np.unique(labels))
    if not 2 <= clusters < len(labels):
        return None, len(labels)
    return float(silhouette_score(values, labels)), len(labels)


def stability(values: _Floats, labels: _Integers, k: int, seed: int) -> float | None:
    """Mean adjusted Rand index between `labels` and clusterings learnt on random parts of the rows.

    Each of STABILITY_ROUNDS parts has STABILITY_SHARE of (at most STABILITY_ROWS of) the rows; its centroids then label
    all of these rows (Ben-Hur, Elisseeff and Guyon 2002). 1: the same clusters each time; 0: as by chance.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(seed)
    if len(labels) > STABILITY_ROWS:
        chosen = random.choice(len(labels), STABILITY_ROWS, replace=False)
        values, labels = values[chosen], labels[chosen]
    part = int(STABILITY_SHARE * len(labels))
    if part < k or k < 2:
        return None
    scores = []
    for _ in range(STABILITY_ROUNDS):
        rows = random.choice(len(labels), part, replace=False)
        learnt = KMeans(k, n_init=3, random_state=int(random.integers(1 << 31))).fit(values[rows])
        scores.append(adjusted_rand_score(labels, learnt.predict(values)))
    return float(np.mean(scores))
