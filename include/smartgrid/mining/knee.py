"""The knee of a rising curve: where DBSCAN's eps is read from the distances to the k-th neighbour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.mining.errors import NoClusterFound

_Floats = npt.NDArray[np.float64]

SAMPLE_ROWS = 2_000


def neighbour_distances(values: _Floats, min_samples: int, seed: int) -> _Floats:
    """Sorted distances of (at most SAMPLE_ROWS) rows to their min_samples-th nearest row, themselves counted."""
    from sklearn.neighbors import NearestNeighbors

    rows = values
    if len(values) > SAMPLE_ROWS:
        rows = values[np.random.default_rng(seed).choice(len(values), SAMPLE_ROWS, replace=False)]
    count = min(min_samples, len(values))
    distances, _ = NearestNeighbors(n_neighbors=count).fit(values).kneighbors(rows)
    return np.sort(distances[:, -1])


def knee(rising: _Floats) -> float:
    """The value at the point farthest below the line from the first to the last (Satopaa et al. 2011, "Kneedle")."""
    span = float(rising[-1] - rising[0])
    if not span > 0:
        if rising[-1] > 0:
            return float(rising[-1])
        raise NoClusterFound("the rows are equal to min_samples others")
    along = np.linspace(0.0, 1.0, len(rising))
    below = along - (rising - rising[0]) / span
    value = float(rising[int(below.argmax())])
    if value > 0:
        return value
    return float(rising[rising > 0][0])
