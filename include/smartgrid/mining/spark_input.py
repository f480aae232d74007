"""Parquet of the lake as a Spark frame with row numbers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from smartgrid.lake.dataset_ref import ChecksumMismatch, DatasetMissing, DatasetRef
from smartgrid.lake.files import exists, is_local, local_path
from smartgrid.mining.errors import UnreadableInput
from smartgrid.mining.spark_session import job, spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_WANTED = "a Parquet file, a folder of them, or a CSV file"
_PIECE_BYTES = 8 << 20


def table_uri(source: str | Path | DatasetRef) -> str | None:
    """Address of Parquet that Spark can read itself, None for a file that it cannot (a CSV).

    The content of a DatasetRef is compared with its checksum first, in pieces.

    Raises:
        DatasetMissing, ChecksumMismatch, UnreadableInput
    """
    if isinstance(source, DatasetRef):
        _verify(source)
        return _address(source.uri)
    uri = str(source)
    if is_local(uri):
        path = local_path(uri)
        if not path.exists():
            raise UnreadableInput(uri, "there is no such file", _WANTED)
        if path.is_file() and path.suffix.lower() not in {".parquet", ".pq"}:
            return None
    return _address(uri)


def parquet_frame(uri: str) -> DataFrame:
    """The columns of the files at `uri` and `row`, a number from 0 up: file by file in the order of their names."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as sf

    from smartgrid.mining.spark_errors import SparkJobFailed

    try:
        with job("opening the input"):
            frame = spark().read.parquet(uri)
            files = sorted(frame.inputFiles())
    except SparkJobFailed as error:
        known = error.__cause__
        reason = error.problem if isinstance(known, AnalysisException) else f"not readable as Parquet ({error.problem})"
        raise UnreadableInput(uri, reason.rstrip("."), _WANTED) from error
    if not frame.columns:
        raise UnreadableInput(uri, "it has no column", _WANTED)
    if "row" in frame.columns:
        raise UnreadableInput(uri, "a column is called row, which stands for the row's number", _WANTED)
    if len(files) < 2:
        return frame.withColumn("row", sf.col("_metadata.row_index"))
    named = frame.withColumn("row", sf.col("_metadata.row_index")).withColumn("_file", sf.col("_metadata.file_path"))
    with job("counting the rows of the files"):
        counts = {one["_file"]: one["count"] for one in named.groupBy("_file").count().collect()}
    first, offsets = 0, []
    for file in sorted(counts):
        offsets.append((file, first))
        first += counts[file]
    before = spark().createDataFrame(offsets or [("", 0)], "_file string, _before long")
    numbered = named.join(sf.broadcast(before), "_file").withColumn("row", sf.col("row") + sf.col("_before"))
    return numbered.drop("_file", "_before")


def _address(uri: str) -> str:
    if is_local(uri):
        return Path(os.path.abspath(local_path(uri))).as_uri()
    # Hadoop's name for what fsspec calls s3.
    return "s3a://" + uri.removeprefix("s3://") if uri.startswith("s3://") else uri


def _verify(ref: DatasetRef) -> None:
    import fsspec

    if not exists(ref.uri):
        raise DatasetMissing(ref.uri)
    digest = hashlib.sha256()
    with fsspec.open(ref.uri, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    if digest.hexdigest() != ref.sha256:
        raise ChecksumMismatch(ref.uri, ref.sha256, digest.hexdigest())
