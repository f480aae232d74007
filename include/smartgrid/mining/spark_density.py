"""DBSCAN on Spark, from data to a result: `density.dbscan` where the executors hold the rows."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.density import checked_parameters, sampled_rows, shortened
from smartgrid.mining.explanation import MOST_EXPLAINED, causes_of, nearest_target
from smartgrid.mining.knee import SAMPLE_ROWS, knee
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.results import DbscanResult, Outlier
from smartgrid.mining.spark_dbscan import Labelled, labelled
from smartgrid.mining.spark_matrix import SPARK_ENGINE, Prepared, chosen_rows, prepare
from smartgrid.mining.spark_session import job
from smartgrid.mining.spark_statistics import Moments, list_array, matrix_of, rows_and_values

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


def dbscan(
    data: Any,
    *,
    eps: float | None = None,
    min_samples: int = 5,
    scaler: str = "none",
    constant_columns: str = "refuse",
    causes: int = 5,
    seed: int = 0,
    limits: MiningLimits | None = None,
) -> DbscanResult:
    """`density.dbscan` on Spark: a SparkMatrix is read by the executors, anything else is handed to them.

    Labels, numbers, core rows and the knee are those of the local engine; how, see `spark_dbscan.py`. The result holds
    label and kind of all rows (9 bytes each, at most `limits.max_rows`) and explains at most MOST_EXPLAINED outliers.
    """
    limits = limits or MiningLimits()
    checked_parameters(eps, min_samples, causes)
    deadline = Deadline(limits.time_limit_s)
    prepared = prepare(data, scaler=scaler, constant_columns=constant_columns, limits=limits, deadline=deadline)
    curve = np.empty(0) if eps is not None else _neighbour_distances(prepared, min_samples, seed, deadline)
    radius = float(eps) if eps is not None else knee(curve)
    neighbours = _mean_neighbours(prepared, radius, seed, deadline)
    found = labelled(prepared, radius, min_samples, deadline, limits.memory_mb)
    clusters = int(found.labels.max(initial=-1)) + 1
    profiles, outliers, ids = _explained(prepared, found, clusters, causes, deadline)
    matrix = prepared.matrix
    return DbscanResult(
        labels=found.labels,
        core=found.core,
        eps=radius,
        eps_source="knee" if eps is None else "given",
        min_samples=int(min_samples),
        k_distances=shortened(curve),
        profiles=profiles,
        sizes=np.bincount(found.labels[found.labels >= 0], minlength=clusters).astype(np.int64),
        outliers=outliers,
        mean_neighbours=neighbours,
        engine=f"{SPARK_ENGINE}, exact, parts by boxes",
        columns=matrix.columns,
        dropped_columns=matrix.dropped_columns,
        ids=ids,
        id_column=matrix.id_column,
        scaler=scaler,
        parameters={"metric": "euclidean", "constant_columns": constant_columns, "causes": causes, "seed": seed},
    )


def _neighbour_distances(data: Prepared, min_samples: int, seed: int, deadline: Deadline) -> _Floats:
    """Sorted distances of a sample to its min_samples-th nearest row: the nearest of each part, then of all."""
    sample = data.scaled(data.take(chosen_rows(data.rows, SAMPLE_ROWS, seed), "taking a sample", deadline))
    count, scaled = min(min_samples, data.rows), data.scaled

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        from sklearn.neighbors import NearestNeighbors

        nearest = np.full((len(sample), count), np.inf)
        for _, x in rows_and_values(batches):
            near = NearestNeighbors(n_neighbors=min(count, len(x))).fit(scaled(x)).kneighbors(sample)[0]
            nearest = np.sort(np.concatenate([nearest, near], axis=1), axis=1)[:, :count]
        yield pa.record_batch({"nearest": pa.array([nearest.tobytes()], pa.binary())})

    with job("choosing eps", deadline):
        table = data.matrix.frame.select("row", "x").mapInArrow(work, "nearest binary").toArrow()
    nearest = np.full((len(sample), count), np.inf)
    for part in table.column("nearest").to_pylist():
        near = np.frombuffer(part).reshape(len(sample), count)
        nearest = np.sort(np.concatenate([nearest, near], axis=1), axis=1)[:, :count]
    return np.sort(nearest[:, -1])


def _mean_neighbours(data: Prepared, eps: float, seed: int, deadline: Deadline) -> float:
    """`density.mean_neighbours`, of the same sample."""
    chosen = sampled_rows(data.rows, data.width, seed)
    sample, scaled = data.scaled(data.take(chosen, "taking a sample", deadline)), data.scaled

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        total = 0
        for _, x in rows_and_values(batches):
            values = scaled(x)
            for row in sample:
                difference = values - row
                total += int((np.einsum("ij,ij->i", difference, difference) <= eps * eps).sum())
        yield pa.record_batch({"total": pa.array([total])})

    with job("counting neighbours of a sample", deadline):
        table = data.matrix.frame.select("row", "x").mapInArrow(work, "total long").toArrow()
    return float(sum(table.column("total").to_pylist()) / len(chosen))


def _explained(
    data: Prepared, found: Labelled, clusters: int, causes: int, deadline: Deadline
) -> tuple[_Floats, tuple[Outlier, ...], tuple[str, ...] | None]:
    """(profiles as given, outliers explained, ids of all rows)."""
    rows = data.matrix.frame.join(found.frame, "row")
    ids = None
    if data.matrix.id_column is not None:
        with job("reading the ids", deadline):
            named = data.matrix.frame.select("row", "id").toArrow()
        ids = tuple(named.column("id").take(np.argsort(named.column("row").to_numpy())).to_pylist())
    expected, spread, targets = _profiles(data, rows, clusters, deadline)
    profiles = expected if clusters else np.empty((0, data.width))
    if not (found.labels < 0).any():
        return profiles, (), ids
    scaled = data.scaled

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for row, x in rows_and_values(batches):
            nearest, distance = nearest_target(scaled(x), targets)
            yield pa.record_batch({"row": row, "nearest": nearest, "distance": distance, "x": list_array(x)})

    noise = rows.where("label < 0").select("row", "x")
    noise = noise.mapInArrow(work, "row long, nearest long, distance double, x array<double>")
    with job("explaining outliers", deadline):
        table = noise.orderBy("distance", "row", ascending=[False, True]).limit(MOST_EXPLAINED).toArrow()
    order = np.argsort(table.column("row").to_numpy())
    row, nearest, distance = (table.column(name).to_numpy()[order] for name in ("row", "nearest", "distance"))
    names = None if ids is None else [ids[number] for number in row.tolist()]
    if not clusters:
        nearest = np.full(len(row), -1)
    values = matrix_of(table.column("x"))[order]
    return (
        profiles,
        causes_of(row, names, values, nearest, distance, expected, spread, data.matrix.columns, causes),
        ids,
    )


def _profiles(data: Prepared, rows: Any, clusters: int, deadline: Deadline) -> tuple[_Floats, _Floats, _Floats]:
    """(mean, deviation, mean as scaled) of each cluster; without any, median and deviation of all rows."""
    if not clusters:
        assert data.survey.moments is not None
        median, target = _medians(data, deadline)
        return median[None], data.survey.moments.deviation[None], target[None]
    scaled = data.scaled

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        found: dict[int, tuple[Moments, _Floats]] = {}
        for batch in batches:
            for _, x in rows_and_values([batch]):
                label = batch.column("label").to_numpy()
                for cluster in np.unique(label[label >= 0]).tolist():
                    members = x[label == cluster]
                    _add(found, cluster, Moments.of(members), scaled(members).sum(axis=0))
        yield pa.record_batch({"found": pa.array([pickle.dumps(found)], pa.binary())})

    with job("describing the clusters", deadline):
        table = rows.select("row", "label", "x").mapInArrow(work, "found binary").toArrow()
    total: dict[int, tuple[Moments, _Floats]] = {}
    for part in table.column("found").to_pylist():
        for cluster, (moments, sums) in pickle.loads(part).items():  # noqa: S301 - written by the workers of this call
            _add(total, cluster, moments, sums)
    every = [total[cluster] for cluster in range(clusters)]
    return (
        np.stack([moments.mean for moments, _ in every]),
        np.stack([moments.deviation for moments, _ in every]),
        np.stack([sums / moments.count for moments, sums in every]),
    )


def _add(into: dict[int, tuple[Moments, _Floats]], cluster: int, moments: Moments, sums: _Floats) -> None:
    before = into.get(cluster)
    into[cluster] = (moments, sums) if before is None else (before[0] + moments, before[1] + sums)


def _medians(data: Prepared, deadline: Deadline) -> tuple[_Floats, _Floats]:
    """Exact medians by column, as given and as scaled."""
    from pyspark.sql import functions as sf

    scaled = data.scaled

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for _, x in rows_and_values(batches):
            yield pa.record_batch({"x": list_array(x), "p": list_array(scaled(x))})

    frame = data.matrix.frame.select("row", "x").mapInArrow(work, "x array<double>, p array<double>")
    wanted = [sf.median(sf.col(name)[place]) for name in ("x", "p") for place in range(data.width)]
    with job("looking for medians", deadline):
        found = frame.agg(*wanted).first()
    assert found is not None
    both = np.array(found, dtype=np.float64)
    return both[: data.width], both[data.width :]
