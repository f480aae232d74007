"""Why a row is an outlier: in which columns it differs from the nearest cluster's profile, which way and how far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.mining.results import Deviation, Outlier

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# Beyond, the farthest are explained.
MOST_EXPLAINED = 10_000
_CHUNK = 1_000


def profiles_of(values: _Floats, labels: _Integers, clusters: int) -> tuple[_Floats, _Floats]:
    """Mean and standard deviation of the members of each cluster, (clusters, d)."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(clusters), side="right")
    begins = np.searchsorted(labels[order], np.arange(clusters), side="left")
    mean = np.empty((clusters, values.shape[1]))
    spread = np.empty_like(mean)
    for cluster in range(clusters):
        members = values[order[begins[cluster] : ends[cluster]]]
        mean[cluster], spread[cluster] = members.mean(axis=0), members.std(axis=0)
    return mean, spread


def explained(
    original: _Floats,
    scaled: _Floats,
    labels: _Integers,
    clusters: int,
    columns: tuple[str, ...],
    ids: tuple[str, ...] | None,
    causes: int,
) -> tuple[Outlier, ...]:
    """Each noise row with its `causes` largest deviations, in the order of the rows."""
    noise = np.flatnonzero(labels < 0)
    if not len(noise):
        return ()
    if clusters:
        expected, spread = profiles_of(original, labels, clusters)
        targets, _ = profiles_of(scaled, labels, clusters)
    else:
        expected, spread = np.median(original, axis=0)[None], original.std(axis=0)[None]
        targets = np.median(scaled, axis=0)[None]
    nearest = np.empty(len(noise), dtype=np.int64)
    distance = np.empty(len(noise))
    for begin in range(0, len(noise), _CHUNK):
        rows = scaled[noise[begin : begin + _CHUNK]]
        best = np.full(len(rows), np.inf)
        for cluster, target in enumerate(targets):
            squares = np.einsum("ij,ij->i", rows - target, rows - target)
            closer = squares < best
            best[closer] = squares[closer]
            nearest[begin : begin + len(rows)][closer] = cluster
        distance[begin : begin + len(rows)] = np.sqrt(best)
    if len(noise) > MOST_EXPLAINED:
        kept = np.sort(np.argsort(-distance, kind="stable")[:MOST_EXPLAINED])
        noise, nearest, distance = noise[kept], nearest[kept], distance[kept]
    deviation = original[noise] - expected[nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation == 0, 0.0, deviation / spread[nearest])
    largest = np.argsort(-np.abs(z), axis=1, kind="stable")[:, :causes]
    return tuple(
        Outlier(
            int(row),
            None if ids is None else ids[row],
            int(nearest[place]) if clusters else -1,
            float(distance[place]),
            tuple(
                Deviation(
                    columns[column],
                    float(original[row, column]),
                    float(expected[nearest[place], column]),
                    float(deviation[place, column]),
                    float(z[place, column]) if np.isfinite(z[place, column]) else None,
                )
                for column in largest[place].tolist()
                if deviation[place, column] != 0
            ),
        )
        for place, row in enumerate(noise.tolist())
    )
