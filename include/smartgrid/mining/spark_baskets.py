"""Baskets that Spark's executors read: lines of transaction and item in a Parquet lake, or small ones handed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smartgrid.mining.baskets import Baskets, as_baskets, checked, read_baskets
from smartgrid.mining.errors import ItemNotText, TooFewRows, UnreadableInput
from smartgrid.mining.limits import MiningLimits
from smartgrid.mining.spark_input import parquet_frame, table_uri
from smartgrid.mining.spark_session import job, spark

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from smartgrid.lake.dataset_ref import DatasetRef


@dataclass(frozen=True)
class SparkBaskets:
    """`frame`: transaction and item (text), one row for each item of each transaction, in any order.

    `count` and `distinct_items` where they are known: of baskets that came from lists, of which some may be empty.
    """

    frame: DataFrame
    count: int | None = None
    distinct_items: int | None = None


def as_spark_baskets(data: SparkBaskets | Baskets | Any, limits: MiningLimits) -> SparkBaskets:
    """SparkBaskets as they are; whatever `as_baskets` takes is checked and handed to Spark."""
    if isinstance(data, SparkBaskets):
        return data
    import pyarrow as pa

    baskets = checked(as_baskets(data), limits)
    items = pa.DictionaryArray.from_arrays(pa.array(baskets.item), pa.array(baskets.items, pa.string()))
    table = pa.table({"transaction": baskets.basket, "item": items.cast(pa.string())})
    return SparkBaskets(spark().createDataFrame(table), baskets.count, len(baskets.items))


def open_spark_baskets(
    source: str | Path | DatasetRef, *, transaction_column: str = "transaction", item_column: str = "item"
) -> SparkBaskets:
    """The baskets in a Parquet file or a folder of them, which stays where it is; a CSV is read and handed over.

    Raises:
        UnreadableInput, ItemNotText, TooFewRows, and for a DatasetRef DatasetMissing, ChecksumMismatch
    """
    from pyspark.sql import functions as sf

    uri = table_uri(source)
    if uri is None:
        baskets = read_baskets(str(source), transaction_column=transaction_column, item_column=item_column)
        return as_spark_baskets(baskets, MiningLimits())
    frame = parquet_frame(uri)
    missing = [name for name in (transaction_column, item_column) if name not in frame.columns]
    if missing:
        wanted = f"a CSV or Parquet file with the columns {transaction_column},{item_column}"
        raise UnreadableInput(str(source), f"no column {', '.join(missing)} among {', '.join(frame.columns)}", wanted)
    pairs = frame.select(
        "row", frame[transaction_column].alias("transaction"), frame[item_column].cast("string").alias("item")
    )
    no_item, no_transaction = sf.expr("item is null or item = ''"), sf.expr("transaction is null")
    with job("checking the lines"):
        lines, bad_item, bad_line = pairs.agg(
            sf.count(sf.lit(1)), sf.min(sf.when(no_item, sf.col("row"))), sf.min(sf.when(no_transaction, sf.col("row")))
        ).first() or (0, None, None)
        if bad_item is not None:
            raise ItemNotText(int(bad_item), pairs.where(sf.col("row") == bad_item).collect()[0]["item"])
    if bad_line is not None:
        raise UnreadableInput(
            "frame", f"row {bad_line} has no {transaction_column}", f"a {transaction_column} in each row"
        )
    if not lines:
        raise TooFewRows(0, 1, "a transaction needs one")
    return SparkBaskets(pairs.select("transaction", "item"))
