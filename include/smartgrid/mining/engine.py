"""The four methods on the engine that the settings name: this process, or Spark (`SMARTGRID_ENGINE=spark`).

Callers outside of the room use these. Parameters and results are those of the local functions; a value of the
parameter `engine` other than "auto" names one of the local engines, and then the work is local.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartgrid.lake.dataset_ref import DatasetRef
from smartgrid.settings import get_settings

if TYPE_CHECKING:
    from smartgrid.mining.baskets import Baskets
    from smartgrid.mining.matrix import Matrix
    from smartgrid.mining.results import AssociationResult, DbscanResult, KMeansResult
    from smartgrid.mining.spark_baskets import SparkBaskets
    from smartgrid.mining.spark_matrix import SparkMatrix


def on_spark() -> bool:
    """Whether the settings name Spark."""
    return get_settings().engine == "spark"


def open_matrix(source: str | Path | DatasetRef, *, id_column: str | None = None) -> Matrix | SparkMatrix:
    """The matrix in a CSV or Parquet file (or, on Spark, a folder of Parquet files), for `kmeans` and `dbscan`.

    Locally it is read. On Spark a Parquet file stays where it is: the executors read it.
    """
    if on_spark():
        from smartgrid.mining.spark_matrix import open_spark_matrix

        return open_spark_matrix(source, id_column=id_column)
    from smartgrid.mining.matrix import matrix_of_frame, read_matrix

    if isinstance(source, DatasetRef):
        from smartgrid.lake.files import read_parquet

        return matrix_of_frame(read_parquet(source), id_column=id_column)
    return read_matrix(source, id_column=id_column)


def open_baskets(
    source: str | Path | DatasetRef, *, transaction_column: str = "transaction", item_column: str = "item"
) -> Baskets | SparkBaskets:
    """The baskets in a CSV or Parquet file (or, on Spark, a folder of Parquet files), for `apriori` and `fp_growth`."""
    if on_spark():
        from smartgrid.mining.spark_baskets import open_spark_baskets

        return open_spark_baskets(source, transaction_column=transaction_column, item_column=item_column)
    from smartgrid.mining.baskets import baskets_of_frame, read_baskets

    if isinstance(source, DatasetRef):
        from smartgrid.lake.files import read_parquet

        frame = read_parquet(source)
        return baskets_of_frame(frame, transaction_column=transaction_column, item_column=item_column)
    return read_baskets(source, transaction_column=transaction_column, item_column=item_column)


def kmeans(data: Any, *, engine: str = "auto", **options: Any) -> KMeansResult:
    """`clustering.kmeans`, or its counterpart on Spark with the same parameters."""
    if engine == "auto" and on_spark():
        from smartgrid.mining import spark_kmeans

        return spark_kmeans.kmeans(data, **options)
    from smartgrid.mining import clustering

    return clustering.kmeans(data, engine=engine, **options)


def dbscan(data: Any, *, engine: str = "auto", **options: Any) -> DbscanResult:
    """`density.dbscan`, or its counterpart on Spark with the same parameters."""
    if engine == "auto" and on_spark():
        from smartgrid.mining import spark_density

        return spark_density.dbscan(data, **options)
    from smartgrid.mining import density

    return density.dbscan(data, engine=engine, **options)


def apriori(data: Any, **options: Any) -> AssociationResult:
    """`association.apriori`, or its counterpart on Spark with the same parameters."""
    if on_spark():
        from smartgrid.mining import spark_association

        return spark_association.apriori(data, **options)
    from smartgrid.mining import association

    return association.apriori(data, **options)


def fp_growth(data: Any, **options: Any) -> AssociationResult:
    """`association.fp_growth`, or its counterpart on Spark with the same parameters."""
    if on_spark():
        from smartgrid.mining import spark_association

        return spark_association.fp_growth(data, **options)
    from smartgrid.mining import association

    return association.fp_growth(data, **options)
