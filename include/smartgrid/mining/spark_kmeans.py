"""K-Means on Spark: MLlib's, started several times; labels and inertia of the best by one more pass over the rows."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.cluster_quality import SILHOUETTE_ROWS, silhouette, stability
from smartgrid.mining.clustering import (
    FULL_WORK,
    bands,
    proper_silhouette,
    proposed_k,
    whole_number,
)
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.lloyd import SAMPLE_ROWS
from smartgrid.mining.results import KMeansResult, KPoint
from smartgrid.mining.spark_matrix import (
    SPARK_ENGINE,
    Prepared,
    chosen_rows,
    distinct_rows,
    prepare,
    refuse_too_many,
)
from smartgrid.mining.spark_session import job
from smartgrid.mining.spark_statistics import list_array, rows_and_values

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

# Starts of large data: k-means|| begins near the end already, and a start is a pass over all rows for each step.
LARGE_STARTS = 2
# Steps end when no centroid moves by more than this part of the rows' standard deviation.
TOLERANCE = 1e-3


def kmeans(
    data: Any,
    *,
    k: int | None = None,
    k_range: tuple[int, int] = (2, 10),
    scaler: str = "none",
    constant_columns: str = "refuse",
    seed: int = 0,
    n_init: int = 10,
    max_iter: int = 300,
    quality: bool = True,
    limits: MiningLimits | None = None,
) -> KMeansResult:
    """`clustering.kmeans` on Spark: a SparkMatrix is read by the executors, anything else is handed to them.

    MLlib's K-Means (k-means|| of Bahmani et al. 2012, then Lloyd's steps), the best of `n_init` starts up to FULL_WORK
    and of LARGE_STARTS beyond. Silhouette, stability and bands are taken on samples of the size that the local engine
    takes. The result holds the labels of all rows: 8 bytes each, at most `limits.max_rows`.
    """
    from threadpoolctl import threadpool_limits

    limits = limits or MiningLimits()
    whole_number("n_init", n_init, 1, 1_000)
    whole_number("max_iter", max_iter, 1, 100_000)
    whole_number("seed", seed, 0, (1 << 32) - 1)
    deadline = Deadline(limits.time_limit_s)
    prepared = prepare(data, scaler=scaler, constant_columns=constant_columns, limits=limits, deadline=deadline)
    numbers = chosen_rows(prepared.rows, SAMPLE_ROWS, seed)
    sample = prepared.take(numbers, "taking a sample", deadline)
    near = prepared.scaled(sample)
    spread = float(np.sqrt(near.var(axis=0).mean()))
    judged = chosen_rows(len(sample), SILHOUETTE_ROWS, seed)
    tried: list[tuple[KPoint, float | None, _Floats]] = []
    with threadpool_limits(1), _vectors(prepared) as vectors:
        if k is None:
            low, high = k_range
            whole_number("k_range", low, 2, prepared.rows)
            whole_number("k_range", high, low, max(prepared.rows, low))
            high = min(high, prepared.rows - 1, distinct_rows(prepared, high + 1, near, deadline))
            for each in range(low, max(high, low) + 1):
                refuse_too_many(each, prepared, near, deadline)
                centroids, inertia = _fitted(
                    vectors, each, spread, seed, _starts(prepared, each, n_init), max_iter, deadline
                )
                labels = _nearest(near[judged], centroids)[0]
                width = silhouette(near[judged], labels, seed)[0]
                point = KPoint(each, inertia, width, stability(near[judged], labels, each, seed))
                tried.append((point, proper_silhouette(near[judged], labels, each, seed), centroids))
            k = proposed_k([(point, proper) for point, proper, _ in tried])
            centroids = next(found for point, _, found in tried if point.k == k)
        else:
            whole_number("k", k, 1, 10_000)
            refuse_too_many(k, prepared, near, deadline)
            centroids, _ = _fitted(vectors, k, spread, seed, _starts(prepared, k, n_init), max_iter, deadline)
        labels, inertia, means, ids = _labelled(prepared, centroids, deadline)
        of_sample = labels[numbers]
        width, measured = silhouette(near[judged], of_sample[judged], seed) if quality else (None, 0)
        steady = stability(near[judged], of_sample[judged], k, seed) if quality else None
        low_band, high_band = bands(sample, of_sample, k, seed)
    parameters = {
        "engine": f"{SPARK_ENGINE} MLlib KMeans",
        "n_clusters": k,
        "init": "k-means||",
        "n_init": _starts(prepared, k, n_init),
        "max_iter": max_iter,
        "tol": TOLERANCE,
        "random_state": seed,
        "constant_columns": constant_columns,
    }
    matrix = prepared.matrix
    return KMeansResult(
        k=k,
        labels=labels,
        centroids=centroids if scaler == "none" else means,
        band_low=low_band,
        band_high=high_band,
        sizes=np.bincount(labels, minlength=k).astype(np.int64),
        inertia=inertia,
        silhouette=width,
        silhouette_rows=measured,
        stability=steady,
        curve=tuple(point for point, _, _ in tried),
        columns=matrix.columns,
        dropped_columns=matrix.dropped_columns,
        ids=ids,
        id_column=matrix.id_column,
        scaler=scaler,
        parameters=parameters,
    )


def _starts(data: Prepared, k: int, n_init: int) -> int:
    return n_init if data.rows * data.width * k <= FULL_WORK else min(n_init, LARGE_STARTS)


@contextmanager
def _vectors(data: Prepared) -> Iterator[DataFrame]:
    """The scaled rows as MLlib wants them.

    Small ones are kept for all starts. Large ones are read again: MLlib keeps what it needs itself, on disk where the
    heap is too small.
    """
    from pyspark.ml.functions import array_to_vector

    scaled = data.scaled

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for _, x in rows_and_values(batches):
            yield pa.record_batch({"x": list_array(scaled(x))})

    frame = data.matrix.frame.select("row", "x")
    frame = frame.select("x") if scaled.scaler == "none" else frame.mapInArrow(work, "x array<double>")
    vectors = frame.select(array_to_vector("x").alias("features"))
    if data.rows * data.width > FULL_WORK:
        yield vectors
        return
    vectors.persist()
    try:
        yield vectors
    finally:
        vectors.unpersist()


def _fitted(
    vectors: DataFrame, k: int, spread: float, seed: int, starts: int, max_iter: int, deadline: Deadline
) -> tuple[_Floats, float]:
    """(centroids (k, d), inertia) of the best start."""
    from pyspark.ml.clustering import KMeans

    best: tuple[_Floats, float] | None = None
    for start in range(starts):
        with job(f"clustering with k = {k}", deadline):
            learner = KMeans(k=k, maxIter=max_iter, tol=TOLERANCE * spread, seed=1_000 * seed + start)
            model = learner.fit(vectors)
            inertia = float(model.summary.trainingCost)
            centroids = np.array(model.clusterCenters(), dtype=np.float64)
        if best is None or inertia < best[1]:
            best = centroids, inertia
    assert best is not None
    return best


def _labelled(
    data: Prepared, centroids: _Floats, deadline: Deadline
) -> tuple[_Integers, float, _Floats, tuple[str, ...] | None]:
    """(label of each row, inertia, mean of the members of each cluster as given, ids)."""
    k, scale, has_ids = len(centroids), data.scaled, data.matrix.id_column is not None

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        sums, sizes = np.zeros_like(centroids), np.zeros(k)
        for batch in batches:
            for row, x in rows_and_values([batch]):
                label, square = _nearest(scale(x), centroids)
                one_hot = np.zeros((k, len(row)))
                one_hot[label, np.arange(len(row))] = 1.0
                sums += one_hot @ x
                sizes += one_hot.sum(axis=1)
                ids = batch.column("id") if has_ids else pa.nulls(len(row), pa.string())
                nothing = pa.nulls(len(row), pa.binary())
                yield pa.record_batch(
                    {"row": row, "label": label.astype(np.int32), "square": square, "id": ids, "sums": nothing}
                )
        # One row more of each part, without a number: what it adds to the means.
        yield pa.record_batch(
            {
                "row": pa.array([-1]),
                "label": pa.array([-1], pa.int32()),
                "square": pa.array([0.0]),
                "id": pa.nulls(1, pa.string()),
                "sums": pa.array([pickle.dumps((sums, sizes))], pa.binary()),
            }
        )

    with job("labelling the rows", deadline):
        frame = data.matrix.frame
        table = frame.mapInArrow(work, "row long, label int, square double, id string, sums binary").toArrow()
    row = table.column("row").to_numpy()
    order = np.argsort(row, kind="stable")
    parts = int((row < 0).sum())
    of_parts = [pickle.loads(one.as_py()) for one in table.column("sums").take(order[:parts])]  # noqa: S301 - our own
    sums, sizes = (sum(part) for part in zip(*of_parts, strict=True))
    with np.errstate(invalid="ignore"):
        means = sums / sizes[:, None]
    labels = table.column("label").to_numpy()[order[parts:]].astype(np.int64)
    ids = tuple(table.column("id").take(order[parts:]).to_pylist()) if has_ids else None
    return labels, float(table.column("square").to_numpy()[order[parts:]].sum()), means, ids


def _nearest(rows: _Floats, centroids: _Floats) -> tuple[_Integers, _Floats]:
    """(label, squared distance) of the nearest centroid; the first where two are as near."""
    label = (rows @ centroids.T - 0.5 * np.einsum("ij,ij->i", centroids, centroids)).argmax(axis=1)
    difference = rows - centroids[label]
    return label, np.einsum("ij,ij->i", difference, difference)
