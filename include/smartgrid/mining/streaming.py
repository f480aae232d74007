"""K-Means of a Parquet file that is larger than memory, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from smartgrid.mining.cluster_quality import silhouette, stability
from smartgrid.mining.clustering import bands, sample_rows
from smartgrid.mining.errors import (
    ConstantColumns,
    NotFinite,
    NotNumeric,
    ParameterOutOfRange,
    TooFewRows,
    TooManyClusters,
    UnreadableInput,
)
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.lloyd import SAMPLE_STARTS, Floats, Singles, lloyd
from smartgrid.mining.results import KMeansResult

_BATCH_ROWS = 32_768
# Each step reads the whole file: fewer of them than in memory, and a coarser end.
_MAX_STEPS = 6
_ENOUGH = 1e-3


def kmeans_parquet(
    path: str | Path,
    *,
    k: int,
    columns: tuple[str, ...] | None = None,
    seed: int = 0,
    quality: bool = True,
    limits: MiningLimits | None = None,
) -> KMeansResult:
    """Cluster the rows of a Parquet file into `k` groups without holding them: memory is that of one row group.

    `columns`: the numeric columns to use, by default all that are numeric. The first pass checks the values and draws
    the sample, the others are Lloyd's steps (at most 6). No scaler; ids are not read: labels are in the file's order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from threadpoolctl import threadpool_limits

    limits = limits or MiningLimits()
    deadline = Deadline(limits.time_limit_s)
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableInput(str(path), str(error).splitlines()[0], "a Parquet file") from error
    with file:
        names = _columns(file, columns)
        rows = file.metadata.num_rows
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= 10_000:
            raise ParameterOutOfRange("k", k, "a whole number from 1 to 10000")
        if rows < 2:
            raise TooFewRows(rows, 2, "too few to cluster")
        with threadpool_limits(1):
            chosen = np.sort(np.random.default_rng(seed).choice(rows, min(sample_rows(k), rows), replace=False))
            middle, sample = _first_pass(file, names, chosen, deadline)
            distinct = len(np.unique(sample, axis=0))
            if distinct < k:
                raise TooManyClusters(k, rows, distinct)
            single = middle.astype(np.float32)

            def pieces() -> Iterator[Singles]:
                for batch in _batches(file, names):
                    np.subtract(batch, single, out=batch)
                    yield batch

            near = (sample - middle).astype(np.float32)
            found = lloyd(pieces, near, k, seed=seed, deadline=deadline, max_steps=_MAX_STEPS, enough=_ENOUGH)
            of_sample = found.labels[chosen]
            width, measured = silhouette(sample, of_sample, seed) if quality else (None, 0)
            steady = stability(sample, of_sample, k, seed) if quality else None
            low, high = bands(sample, of_sample, k, seed)
    parameters: dict[str, Any] = {"engine": "sampled Lloyd over Parquet row groups, single precision", "n_clusters": k}
    parameters |= {"sample_rows": len(chosen), "sample_n_init": SAMPLE_STARTS, "max_iter": _MAX_STEPS}
    parameters |= {"random_state": seed, "iterations": found.steps}
    return KMeansResult(
        k=k,
        labels=found.labels,
        centroids=found.centroids + middle,
        band_low=low,
        band_high=high,
        sizes=np.bincount(found.labels, minlength=k).astype(np.int64),
        inertia=found.inertia,
        silhouette=width,
        silhouette_rows=measured,
        stability=steady,
        curve=(),
        columns=names,
        dropped_columns=(),
        ids=None,
        id_column=None,
        scaler="none",
        parameters=parameters,
    )


def _columns(file: Any, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    import pyarrow as pa

    schema = file.schema_arrow
    numeric = [field.name for field in schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    if wanted is None:
        if not numeric:
            raise UnreadableInput("file", "no numeric column", "a Parquet file with numeric columns")
        return tuple(numeric)
    for name in wanted:
        if name not in schema.names:
            raise ParameterOutOfRange("columns", name, ", ".join(schema.names[:20]))
        if name not in numeric:
            raise NotNumeric(name, str(schema.field(name).type))
    return tuple(wanted)


def _batches(file: Any, names: tuple[str, ...]) -> Iterator[Singles]:
    # Group by group: over a whole file, iter_batches keeps what it has read, until all of it is in memory.
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=list(names)):
            rows = np.empty((batch.num_rows, len(names)), dtype=np.float32)
            for place, name in enumerate(names):
                rows[:, place] = batch.column(name).to_numpy(zero_copy_only=False)
            yield rows


def _first_pass(
    file: Any, names: tuple[str, ...], chosen: np.ndarray[Any, np.dtype[np.int64]], deadline: Deadline
) -> tuple[Floats, Floats]:
    """(mean of each column, the chosen rows); raises where values are missing, infinite or all the same."""
    total = np.zeros(len(names))
    first: Singles | None = None
    varies = np.zeros(len(names), dtype=bool)
    sampled: list[Floats] = []
    begin = 0
    for batch in _batches(file, names):
        deadline.check("reading the file for the first time")
        sums = batch.sum(axis=0, dtype=np.float64)
        if not np.isfinite(sums).all():
            finite = np.isfinite(batch)
            bad = tuple(names[place] for place in np.flatnonzero(~finite.all(axis=0)))
            at = tuple((begin + np.flatnonzero(~finite.all(axis=1))[:20]).tolist())
            raise NotFinite(bad, at, int((~finite).sum()))
        total += sums
        first = batch[0].copy() if first is None else first
        varies |= (batch != first).any(axis=0)
        low, high = np.searchsorted(chosen, (begin, begin + len(batch)))
        sampled.append(batch[chosen[low:high] - begin].astype(np.float64))
        begin += len(batch)
    if not varies.all():
        raise ConstantColumns(tuple(names[place] for place in np.flatnonzero(~varies)))
    return total / begin, np.concatenate(sampled)
