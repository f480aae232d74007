"""DBSCAN on Spark, exact: parts by boxes with a margin, each clustered by itself, then joined.

There is no sound implementation to take (docs/adr/0014-spark-engine.md). The steps are those of MR-DBSCAN (He et al.
2011), with a margin of two eps instead of one:

1. A sample's k-d tree cuts the space into boxes. A part has the rows of its box and those up to 2 eps around it.
2. Each part counts neighbours and connects its core rows (`block_dbscan.py`). For rows up to eps around the box all
   neighbours are in the part, so they are core or not for certain; rows farther out can only be missed as core, and
   what they would join is joined by their own part.
3. A core row up to eps around one box is in the cluster of its own part too: these pairs say which clusters are one.
   Only cluster numbers come to the driver for it.
4. A border row takes the lowest-numbered cluster among its core neighbours; clusters are numbered by their first core
   row. So labels and numbers are those of the local engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.block_dbscan import BLOCK_ROWS, connected_cores, core_rows
from smartgrid.mining.blocks import blocks_of
from smartgrid.mining.distance_test import DistanceTest
from smartgrid.mining.errors import MemoryLimitReached, NeighbourhoodTooLarge
from smartgrid.mining.limits import Deadline
from smartgrid.mining.spark_boxes import Boxes, boxes_of
from smartgrid.mining.spark_matrix import Prepared, chosen_rows
from smartgrid.mining.spark_session import job, spark
from smartgrid.mining.spark_statistics import list_array, matrix_of, rows_and_values

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]

# Rows of a part, without its margin: some seconds of work, a few megabytes.
PART_ROWS = 50_000
_SAMPLE_ROWS = 20_000
# A cluster of a part: the part's number above these bits, its own below.
_PART_BITS = 32
_PART_SCHEMA = "row long, own boolean, core boolean, near array<long>, failure string, figure double"


@dataclass(frozen=True)
class Labelled:
    """labels (n,) and core (n,) of all rows in order; `frame` has row and label, for more work on Spark."""

    labels: _Integers
    core: _Flags
    frame: DataFrame


def labelled(data: Prepared, eps: float, min_samples: int, deadline: Deadline, memory_mb: int) -> Labelled:
    """Labels of scikit-learn's DBSCAN, numbers included.

    Raises:
        MemoryLimitReached, NeighbourhoodTooLarge (of a part), TimeLimitReached
    """
    rows = data.rows
    sample = data.scaled(data.take(chosen_rows(rows, _SAMPLE_ROWS, 0), "taking a sample", deadline))
    boxes = boxes_of(sample, eps, -(-rows // PART_ROWS))
    found = _parts(data, boxes, eps, min_samples, memory_mb).persist()
    try:
        _raise_failure(found, eps, rows, memory_mb, deadline)
        cluster, number = _joined(found, deadline)
        frame = _numbered(found, cluster, number)
        with job("labelling the rows", deadline):
            table = frame.toArrow()
    finally:
        found.unpersist()
    order = np.argsort(table.column("row").to_numpy())
    labels = table.column("label").to_numpy()[order]
    core = table.column("core").to_numpy(zero_copy_only=False)[order]
    return Labelled(labels, core.astype(bool), _handed_over(labels))


def _handed_over(labels: _Integers) -> DataFrame:
    import pyarrow as pa

    return spark().createDataFrame(pa.table({"row": np.arange(len(labels)), "label": labels}))


def _parts(data: Prepared, boxes: Boxes, eps: float, min_samples: int, memory_mb: int) -> DataFrame:
    """One row for each row of a box, and for each core row in a margin (`own` false): the part's clusters near it."""
    scaled = data.scaled

    def spread(batches: Iterator[Any]) -> Iterator[Any]:
        for row, x in rows_and_values(batches):
            yield from _spread(row, scaled(x), boxes, eps)

    def work(part: Any) -> Any:
        return _clustered(part, eps, min_samples, memory_mb)

    rows = data.matrix.frame.select("row", "x")
    spread_rows = rows.mapInArrow(spread, "part int, row long, margin int, x array<double>")
    return spread_rows.groupBy("part").applyInArrow(work, _PART_SCHEMA)


def _spread(row: _Integers, x: _Floats, boxes: Boxes, eps: float) -> Iterator[Any]:
    """Batches of the parts that need these rows; margin 0: of the box, 1: up to eps around it, 2: up to 2 eps."""
    import pyarrow as pa

    for box in range(len(boxes)):
        near = np.flatnonzero(boxes.within(x, box, 2 * eps))
        if not len(near):
            continue
        values = x[near]
        margin = np.where(boxes.within(values, box, eps), 1, 2)
        margin[boxes.holds(values, box)] = 0
        part = np.full(len(near), box, dtype=np.int32)
        yield pa.record_batch(
            {"part": part, "row": row[near], "margin": margin.astype(np.int32), "x": list_array(values)}
        )


def _clustered(part: Any, eps: float, min_samples: int, memory_mb: int) -> Any:
    """The rows of one part with their clusters in it, or one row that says why there are none."""
    order = np.argsort(part.column("row").to_numpy())
    row, margin = part.column("row").to_numpy()[order], part.column("margin").to_numpy()[order]
    values = matrix_of(part.column("x"))[order]
    first = int(part.column("part")[0].as_py()) << _PART_BITS
    try:
        blocks = blocks_of(values, eps, BLOCK_ROWS)
        test = DistanceTest(blocks.points, eps)
        core, border, neighbour = core_rows(blocks, test, min_samples, Deadline(None), memory_mb)
        cluster = connected_cores(blocks, test, core, eps, Deadline(None))
    except NeighbourhoodTooLarge as error:
        return _failure("eps", float(error.rows))
    except MemoryLimitReached as error:
        return _failure("memory", error.needed_mb)
    to_core = core[neighbour]
    at = np.flatnonzero(core)
    # (row, cluster) pairs: a core row has one, a border row those of its core neighbours.
    places = np.concatenate([at, border[to_core]])
    clusters = np.concatenate([cluster[at], cluster[neighbour[to_core]]])
    key = np.unique(blocks.order[places] * max(len(values), 1) + clusters)
    place, of_part = key // max(len(values), 1), key % max(len(values), 1)
    is_core = np.zeros(len(values), dtype=bool)
    is_core[blocks.order] = core
    kept = (margin == 0) | ((margin == 1) & is_core)
    return _part_table(row, margin, is_core, kept, place, of_part + first)


def _part_table(
    row: _Integers, margin: _Integers, core: _Flags, kept: _Flags, place: _Integers, cluster: _Integers
) -> Any:
    import pyarrow as pa

    use = kept[place]
    counts = np.bincount(place[use], minlength=len(row))[kept]
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    number = int(kept.sum())
    return pa.table(
        {
            "row": row[kept],
            "own": margin[kept] == 0,
            "core": core[kept],
            "near": pa.ListArray.from_arrays(pa.array(ends), pa.array(cluster[use])),
            "failure": pa.nulls(number, pa.string()),
            "figure": np.zeros(number),
        }
    )


def _failure(kind: str, figure: float) -> Any:
    import pyarrow as pa

    return pa.table(
        {
            "row": pa.array([-1]),
            "own": pa.array([False]),
            "core": pa.array([False]),
            "near": pa.array([[]], pa.list_(pa.int64())),
            "failure": pa.array([kind]),
            "figure": pa.array([figure]),
        }
    )


def _raise_failure(found: DataFrame, eps: float, rows: int, memory_mb: int, deadline: Deadline) -> None:
    with job("clustering the parts", deadline):
        worst = found.where("failure is not null").orderBy("figure", ascending=False).first()
    if worst is None:
        return
    if worst["failure"] == "eps":
        raise NeighbourhoodTooLarge(eps, rows)
    raise MemoryLimitReached(worst["figure"], memory_mb, "the neighbours of border rows of one part")


def _joined(found: DataFrame, deadline: Deadline) -> tuple[_Integers, _Integers]:
    """(clusters of the parts, rising; number of the whole cluster that each one belongs to)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    cores = found.where("core").selectExpr("row", "own", "near[0] as cluster")
    with job("joining clusters", deadline):
        firsts = cores.where("own").groupBy("cluster").agg({"row": "min"}).toArrow()
        home = cores.where("own").selectExpr("row", "cluster as home")
        links = cores.where("not own").join(home, "row").select("home", "cluster").distinct().toArrow()
    of_own, first_row = (firsts.column(place).to_numpy() for place in (0, 1))
    one, two = (links.column(name).to_numpy() for name in ("home", "cluster"))
    cluster = np.unique(np.concatenate([of_own, one, two]))
    if not len(cluster):
        return cluster, cluster
    a, b = np.searchsorted(cluster, one), np.searchsorted(cluster, two)
    graph = coo_matrix((np.ones(len(a), dtype=np.int8), (a, b)), shape=(len(cluster), len(cluster)))
    whole = connected_components(graph, directed=False)[1]
    first = np.full(int(whole.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, whole[np.searchsorted(cluster, of_own)], first_row)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first, kind="stable")] = np.arange(len(first))
    return cluster, number[whole]


def _numbered(found: DataFrame, cluster: _Integers, number: _Integers) -> DataFrame:
    """row, label, core of each row."""
    shared = spark().sparkContext.broadcast((cluster, number))

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        clusters, numbers = shared.value
        for batch in batches:
            near = batch.column("near")
            lengths = np.diff(near.offsets.to_numpy())
            labels = np.full(batch.num_rows, len(clusters), dtype=np.int64)
            of_row = np.repeat(np.arange(batch.num_rows), lengths)
            if len(of_row):
                np.minimum.at(labels, of_row, numbers[np.searchsorted(clusters, near.flatten().to_numpy())])
            labels[lengths == 0] = -1
            yield pa.record_batch({"row": batch.column("row"), "label": labels, "core": batch.column("core")})

    own = found.where("own").select("row", "near", "core")
    return own.mapInArrow(work, "row long, label long, core boolean")
