"""K-Means: groups of rows (days, customers, zones) that look alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.cluster_quality import silhouette, stability
from smartgrid.mining.errors import ParameterOutOfRange, TooManyClusters
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.lloyd import MAX_STEPS, PIECE_ROWS, SAMPLE_ROWS, SAMPLE_STARTS, Singles, lloyd
from smartgrid.mining.matrix import ConstantColumnRule, Matrix, as_matrix, checked
from smartgrid.mining.results import KMeansResult, KPoint
from smartgrid.mining.scaling import prepared

if TYPE_CHECKING:
    import polars as pl

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# rows * columns * k up to which scikit-learn's KMeans with n_init starts does the work (some seconds); bench/mining.py
# shows both engines on either side of it.
FULL_WORK = 20_000_000
# A k is only proposed when its clusters come again on other rows; clusters below this share are taken for outliers.
STABLE = 0.6
SMALLEST_SHARE = 0.01


@dataclass(frozen=True)
class Fit:
    """One clustering of the prepared matrix: centroids (k, d), labels (n,), inertia, and how it was made."""

    centroids: _Floats
    labels: _Integers
    inertia: float
    parameters: dict[str, Any]


def kmeans(
    data: Matrix | pl.DataFrame | npt.NDArray[np.floating] | Sequence[Sequence[float]],
    *,
    k: int | None = None,
    k_range: tuple[int, int] = (2, 10),
    scaler: str = "none",
    constant_columns: ConstantColumnRule = "refuse",
    seed: int = 0,
    n_init: int = 10,
    max_iter: int = 300,
    engine: str = "auto",
    quality: bool = True,
    limits: MiningLimits | None = None,
) -> KMeansResult:
    """Cluster the rows of a matrix into `k` groups (MacQueen 1967, Lloyd 1982, k-means++ of Arthur 2007).

    Without `k`, each of `k_range` is tried and the result keeps the curve (`proposed_k` says how one is chosen).
    `engine`: "full" is scikit-learn's KMeans(k, n_init, random_state=seed, max_iter), "sampled" the one of `lloyd.py`,
    "auto" takes "full" up to FULL_WORK. `quality=False` leaves out silhouette and stability. Errors: MiningError.

    >>> result = kmeans([[0.0, 0.1], [0.1, 0.0], [5.0, 5.1], [5.1, 5.0]], k=2)
    >>> sorted(result.sizes.tolist())
    [2, 2]
    """
    # Before the limit of threads below, which holds only for libraries that are loaded.
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits

    limits = limits or MiningLimits()
    whole_number("n_init", n_init, 1, 1_000)
    whole_number("max_iter", max_iter, 1, 100_000)
    whole_number("seed", seed, 0, (1 << 32) - 1)
    if engine not in ("auto", "full", "sampled"):
        raise ParameterOutOfRange("engine", engine, "auto, full or sampled")
    deadline = Deadline(limits.time_limit_s)
    matrix = checked(as_matrix(data), constant_columns=constant_columns, limits=limits)
    values = prepared(matrix, scaler)
    tried: list[tuple[KPoint, float | None, Fit]] = []
    # Products this small gain nothing from a second BLAS thread, which would wait for the first by spinning: on a busy
    # machine that cost six times the CPU time. One thread also makes a run repeat to the last bit.
    with threadpool_limits(1):
        rows = len(values)
        if k is None:
            low, high = k_range
            whole_number("k_range", low, 2, rows)
            whole_number("k_range", high, low, max(rows, low))
            high = min(high, rows - 1, distinct_rows(values, high + 1))
            for each in range(low, max(high, low) + 1):
                deadline.check(f"trying k = {each}")
                refuse_too_many(each, values)
                fit = fitted(values, each, seed, n_init, max_iter, engine, deadline)
                width, _ = silhouette(values, fit.labels, seed)
                point = KPoint(each, fit.inertia, width, stability(values, fit.labels, each, seed))
                tried.append((point, proper_silhouette(values, fit.labels, each, seed), fit))
            chosen = proposed_k([(point, proper) for point, proper, _ in tried])
            fit = next(fit for point, _, fit in tried if point.k == chosen)
        else:
            whole_number("k", k, 1, 10_000)
            refuse_too_many(k, values)
            fit = fitted(values, k, seed, n_init, max_iter, engine, deadline)
        clusters = len(fit.centroids)
        width, measured = silhouette(values, fit.labels, seed) if quality else (None, 0)
        points = {point.k: point for point, _, _ in tried}
        if clusters in points:
            steady = points[clusters].stability
        else:
            steady = stability(values, fit.labels, clusters, seed) if quality else None
        low_band, high_band = bands(matrix.values, fit.labels, clusters, seed)
    return KMeansResult(
        k=clusters,
        labels=fit.labels,
        centroids=in_units(matrix.values, values, scaler, fit),
        band_low=low_band,
        band_high=high_band,
        sizes=np.bincount(fit.labels, minlength=clusters).astype(np.int64),
        inertia=fit.inertia,
        silhouette=width,
        silhouette_rows=measured,
        stability=steady,
        curve=tuple(point for point, _, _ in tried),
        columns=matrix.columns,
        dropped_columns=matrix.dropped_columns,
        ids=matrix.ids,
        id_column=matrix.id_column,
        scaler=scaler,
        parameters={**fit.parameters, "constant_columns": constant_columns},
    )


def fitted(values: _Floats, k: int, seed: int, n_init: int, max_iter: int, engine: str, deadline: Deadline) -> Fit:
    """The clustering by the engine asked for, or by the rule."""
    full = engine == "full" or (engine == "auto" and values.size * k <= FULL_WORK)
    if full:
        from sklearn.cluster import KMeans

        model = KMeans(n_clusters=k, n_init=n_init, random_state=seed, max_iter=max_iter).fit(values)
        parameters = {"engine": "scikit-learn KMeans", "n_clusters": k, "init": "k-means++", "n_init": n_init}
        parameters |= {"max_iter": max_iter, "tol": 1e-4, "random_state": seed, "iterations": int(model.n_iter_)}
        return Fit(model.cluster_centers_, model.labels_.astype(np.int64), float(model.inertia_), parameters)
    # The mean is taken off in double precision: what is left is small, and single precision is enough for it.
    middle = values.mean(axis=0)
    single = np.empty(values.shape, dtype=np.float32)
    np.subtract(values, middle, out=single, casting="same_kind")

    def pieces() -> Iterator[Singles]:
        for begin in range(0, len(single), PIECE_ROWS):
            yield single[begin : begin + PIECE_ROWS]

    rows = np.random.default_rng(seed).choice(len(values), min(sample_rows(k), len(values)), replace=False)
    rows.sort()
    found = lloyd(pieces, single[rows], k, seed=seed, deadline=deadline)
    parameters = {"engine": "sampled Lloyd, single precision", "n_clusters": k, "sample_rows": len(rows)}
    parameters |= {
        "sample_n_init": SAMPLE_STARTS,
        "max_iter": MAX_STEPS,
        "random_state": seed,
        "iterations": found.steps,
    }
    return Fit(found.centroids + middle, found.labels, found.inertia, parameters)


def sample_rows(k: int) -> int:
    return max(SAMPLE_ROWS, 500 * k)


def proposed_k(tried: Sequence[tuple[KPoint, float | None]]) -> int:
    """The k with the largest silhouette of its proper clusters among those that are stable (of all, where none is).

    `tried`: the points of the curve, and the silhouette of each without its tiny clusters (`proper_silhouette`).
    """
    steady = [one for one in tried if one[0].stability is None or one[0].stability >= STABLE]
    return max(steady or tried, key=lambda one: -2.0 if one[1] is None else one[1])[0].k


def proper_silhouette(values: _Floats, labels: _Integers, k: int, seed: int) -> float | None:
    """Silhouette of the rows in clusters of at least SMALLEST_SHARE of the rows.

    A silhouette of all rows likes best to split off a few outliers and to leave the rest in one cluster.
    """
    proper = np.bincount(labels, minlength=k) >= max(2, int(SMALLEST_SHARE * len(labels)))
    rows = proper[labels]
    return silhouette(values, labels, seed)[0] if rows.all() else silhouette(values[rows], labels[rows], seed)[0]


def in_units(original: _Floats, values: _Floats, scaler: str, fit: Fit) -> _Floats:
    """Centroids in the input's units: the engine's own when nothing was scaled, else the mean of the members."""
    if values is original or scaler == "none":
        return fit.centroids
    k = len(fit.centroids)
    order = np.argsort(fit.labels, kind="stable")
    sizes = np.bincount(fit.labels, minlength=k)
    result = np.full((k, original.shape[1]), np.nan)
    begin = 0
    for cluster, size in enumerate(sizes.tolist()):
        if size:
            result[cluster] = original[order[begin : begin + size]].mean(axis=0)
        begin += size
    return result


def bands(original: _Floats, labels: _Integers, k: int, seed: int) -> tuple[_Floats, _Floats]:
    """10th and 90th percentile of the members by cluster and column (of at most SAMPLE_ROWS rows)."""
    if len(labels) > SAMPLE_ROWS:
        chosen = np.random.default_rng(seed).choice(len(labels), SAMPLE_ROWS, replace=False)
        original, labels = original[chosen], labels[chosen]
    low = np.full((k, original.shape[1]), np.nan)
    high = low.copy()
    for cluster in range(k):
        members = original[labels == cluster]
        if len(members):
            low[cluster], high[cluster] = np.percentile(members, [10, 90], axis=0)
    return low, high


def distinct_rows(values: _Floats, enough: int) -> int:
    """Number of different rows, or `enough` as soon as there are that many."""
    for rows in (10 * enough, len(values)):
        found = len(np.unique(values[:rows], axis=0))
        if found >= enough or rows >= len(values):
            break
    return min(found, enough)


def refuse_too_many(k: int, values: _Floats) -> None:
    """Raise TooManyClusters when there are not k different rows."""
    distinct = distinct_rows(values, k) if k <= len(values) else distinct_rows(values, len(values))
    if k > distinct:
        raise TooManyClusters(k, len(values), distinct)


def whole_number(field: str, value: int, low: int, high: int) -> None:
    """Raise ParameterOutOfRange unless `value` is an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise ParameterOutOfRange(field, value, f"a whole number from {low} to {high}")
