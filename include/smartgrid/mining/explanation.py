"""Why a row is an outlier: in which columns it differs from the nearest cluster's profile, which way and how far."""

from __future__ import annotations

from collections.abc import Sequence

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
    # NumPy's stable sort of 16-bit numbers is a radix sort.
    short = labels.astype(np.int16) if clusters < 1 << 15 else labels
    order = np.argsort(short, kind="stable")
    ends = np.searchsorted(short[order], np.arange(clusters, dtype=short.dtype), side="right")
    begins = np.searchsorted(short[order], np.arange(clusters, dtype=short.dtype), side="left")
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
    profiles: tuple[_Floats, _Floats] | None = None,
) -> tuple[Outlier, ...]:
    """Each noise row with its `causes` largest deviations, in the order of the rows.

    profiles: those of `original`, where they are known.
    """
    noise = np.flatnonzero(labels < 0)
    if not len(noise):
        return ()
    if clusters:
        expected, spread = profiles or profiles_of(original, labels, clusters)
        targets = expected if scaled is original else profiles_of(scaled, labels, clusters)[0]
    else:
        expected, spread = np.median(original, axis=0)[None], original.std(axis=0)[None]
        targets = np.median(scaled, axis=0)[None]
    nearest, distance = nearest_target(scaled[noise], targets)
    if len(noise) > MOST_EXPLAINED:
        kept = np.sort(np.argsort(-distance, kind="stable")[:MOST_EXPLAINED])
        noise, nearest, distance = noise[kept], nearest[kept], distance[kept]
    names = None if ids is None else [ids[row] for row in noise.tolist()]
    nearest = nearest if clusters else np.full(len(noise), -1)
    return causes_of(noise, names, original[noise], nearest, distance, expected, spread, columns, causes)


def nearest_target(rows: _Floats, targets: _Floats) -> tuple[_Integers, _Floats]:
    """(number of the nearest row of `targets`, distance to it) of each of `rows`."""
    from scipy.spatial.distance import cdist

    nearest = np.empty(len(rows), dtype=np.int64)
    distance = np.empty(len(rows))
    for begin in range(0, len(rows), _CHUNK):
        squares = cdist(rows[begin : begin + _CHUNK], targets, "sqeuclidean")
        best = squares.argmin(axis=1)
        nearest[begin : begin + _CHUNK] = best
        distance[begin : begin + _CHUNK] = np.sqrt(squares[np.arange(len(best)), best])
    return nearest, distance


def causes_of(
    row: _Integers,
    ids: Sequence[str] | None,
    values: _Floats,
    nearest: _Integers,
    distance: _Floats,
    expected: _Floats,
    spread: _Floats,
    columns: tuple[str, ...],
    causes: int,
) -> tuple[Outlier, ...]:
    """Noise rows with their `causes` largest deviations from expected[nearest] (the only row of it where -1)."""
    deviation = values - expected[nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation == 0, 0.0, deviation / spread[nearest])
    largest = np.argsort(-np.abs(z), axis=1, kind="stable")[:, :causes]
    return tuple(
        Outlier(
            number,
            None if ids is None else ids[place],
            int(nearest[place]),
            float(distance[place]),
            tuple(
                Deviation(
                    columns[column],
                    float(values[place, column]),
                    float(expected[nearest[place], column]),
                    float(deviation[place, column]),
                    float(z[place, column]) if np.isfinite(z[place, column]) else None,
                )
                for column in largest[place].tolist()
                if deviation[place, column] != 0
            ),
        )
        for place, number in enumerate(row.tolist())
    )
