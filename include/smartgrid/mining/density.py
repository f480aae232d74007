"""DBSCAN: dense groups of rows, and the rows that belong to none (Ester, Kriegel, Sander and Xu 1996)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from smartgrid.mining.block_dbscan import block_dbscan
from smartgrid.mining.errors import ParameterOutOfRange
from smartgrid.mining.explanation import explained, profiles_of
from smartgrid.mining.knee import knee, neighbour_distances
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.matrix import ConstantColumnRule, Matrix, as_matrix, checked
from smartgrid.mining.results import DbscanResult
from smartgrid.mining.scaling import prepared

if TYPE_CHECKING:
    import polars as pl

_Floats = npt.NDArray[np.float64]

# Up to here scikit-learn lists all neighbourhoods: at most 200 MB, and it is the faster one.
LISTED_ROWS = 5_000
# Points of the curve of distances that a result keeps.
_CURVE_POINTS = 512


def dbscan(
    data: Matrix | pl.DataFrame | npt.NDArray[np.floating] | Sequence[Sequence[float]],
    *,
    eps: float | None = None,
    min_samples: int = 5,
    scaler: str = "none",
    constant_columns: ConstantColumnRule = "refuse",
    causes: int = 5,
    seed: int = 0,
    engine: str = "auto",
    limits: MiningLimits | None = None,
) -> DbscanResult:
    """Core, border and noise rows by Euclidean distance in the prepared matrix.

    Without `eps` it is the knee of the distances to the min_samples-th neighbour. `causes`: how many columns explain
    each outlier. `engine`: "scikit-learn", "blocks" (the same labels in bounded memory, see `block_dbscan.py`) or
    "auto": scikit-learn up to LISTED_ROWS rows. Errors: MiningError.

    >>> dbscan([[1.0, 2.0], [1.1, 2.1], [1.2, 1.9], [9.0, 9.5]], eps=0.5, min_samples=3).labels.tolist()
    [0, 0, 0, -1]
    """
    from threadpoolctl import threadpool_limits

    limits = limits or MiningLimits()
    checked_parameters(eps, min_samples, causes)
    if engine not in ("auto", "scikit-learn", "blocks"):
        raise ParameterOutOfRange("engine", engine, "auto, scikit-learn or blocks")
    deadline = Deadline(limits.time_limit_s)
    matrix = checked(as_matrix(data), constant_columns=constant_columns, limits=limits)
    values = prepared(matrix, scaler)
    # One BLAS thread: see clustering.kmeans.
    with threadpool_limits(1):
        curve = np.empty(0)
        radius = float(eps) if eps is not None else 0.0
        if eps is None:
            curve = neighbour_distances(values, min_samples, seed)
            radius = knee(curve)
            deadline.check("choosing eps")
        listed = engine == "scikit-learn" or (engine == "auto" and len(values) <= LISTED_ROWS)
        neighbours = mean_neighbours(values, radius, seed)
        if listed:
            from sklearn.cluster import DBSCAN

            model = DBSCAN(eps=radius, min_samples=min_samples).fit(values)
            labels = model.labels_.astype(np.int64)
            core = np.zeros(len(values), dtype=bool)
            core[model.core_sample_indices_] = True
        else:
            labels, core = block_dbscan(values, radius, min_samples, deadline, limits.memory_mb)
        clusters = int(labels.max(initial=-1)) + 1
        profiles = profiles_of(matrix.values, labels, clusters)
        outliers = explained(
            matrix.values, values, labels, clusters, matrix.columns, matrix.ids, causes, profiles=profiles
        )
    return DbscanResult(
        labels=labels,
        core=core,
        eps=radius,
        eps_source="knee" if eps is None else "given",
        min_samples=int(min_samples),
        k_distances=shortened(curve),
        profiles=profiles[0],
        sizes=np.bincount(labels[labels >= 0], minlength=clusters).astype(np.int64),
        outliers=outliers,
        mean_neighbours=neighbours,
        engine="scikit-learn DBSCAN" if listed else "exact, block by block",
        columns=matrix.columns,
        dropped_columns=matrix.dropped_columns,
        ids=matrix.ids,
        id_column=matrix.id_column,
        scaler=scaler,
        parameters={"metric": "euclidean", "constant_columns": constant_columns, "causes": causes, "seed": seed},
    )


def checked_parameters(eps: float | None, min_samples: int, causes: int) -> None:
    """Raise ParameterOutOfRange for the first that is wrong."""
    if isinstance(min_samples, bool) or not isinstance(min_samples, (int, np.integer)) or min_samples < 1:
        raise ParameterOutOfRange("min_samples", min_samples, "a whole number of at least 1")
    if eps is not None and (isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 < eps < float("inf")):
        raise ParameterOutOfRange("eps", eps, "a finite number above 0")
    if causes < 0:
        raise ParameterOutOfRange("causes", causes, "0 or more")


def shortened(curve: _Floats) -> _Floats:
    """At most _CURVE_POINTS of a curve, its ends among them."""
    return curve if len(curve) <= _CURVE_POINTS else curve[np.linspace(0, len(curve) - 1, _CURVE_POINTS).astype(int)]


def mean_neighbours(values: _Floats, eps: float, seed: int) -> float:
    """Rows within eps of a row, itself included: the mean over a sample, which is what listing them all would take."""
    chosen = sampled_rows(len(values), values.shape[1], seed)
    total = 0
    for row in values[chosen]:
        for begin in range(0, len(values), 65_536):
            difference = values[begin : begin + 65_536] - row
            total += int((np.einsum("ij,ij->i", difference, difference) <= eps * eps).sum())
    return total / len(chosen)


def sampled_rows(rows: int, width: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of the rows whose neighbours are counted: 20 to 500, fewer of large data."""
    count = min(rows, max(20, min(500, 20_000_000 // (rows * width))))
    return np.random.default_rng(seed).choice(rows, count, replace=False)
