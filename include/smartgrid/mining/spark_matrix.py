"""A matrix that Spark's executors read: rows of a Parquet lake, or of a small matrix that is handed to them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.errors import (
    ConstantColumns,
    NotFinite,
    NotNumeric,
    ParameterOutOfRange,
    TooFewRows,
    TooManyClusters,
    TooMuchData,
)
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.matrix import LARGEST, Matrix, as_matrix, id_by_name, read_matrix
from smartgrid.mining.scaling import SCALERS
from smartgrid.mining.spark_input import parquet_frame, table_uri
from smartgrid.mining.spark_session import job, spark
from smartgrid.mining.spark_statistics import Floats, Scaling, Survey, list_array, rows_and_values, survey

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from smartgrid.lake.dataset_ref import DatasetRef

SPARK_ENGINE = "Spark"


@dataclass(frozen=True)
class SparkMatrix:
    """`frame`: row (its number from 0), id (text, only where there is an id column), x (list of doubles, NaN where
    missing), one row an object."""

    frame: DataFrame
    columns: tuple[str, ...]
    id_column: str | None = None
    dropped_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A checked matrix; `scaled` makes of its rows what is clustered."""

    matrix: SparkMatrix
    survey: Survey
    scaled: Scaling

    @property
    def rows(self) -> int:
        return self.survey.rows

    @property
    def width(self) -> int:
        return len(self.matrix.columns)

    def take(self, numbers: npt.NDArray[np.int64], doing: str, deadline: Deadline) -> Floats:
        """The rows (m, d) with these numbers, as given."""
        if len(numbers) == self.rows:
            frame = self.matrix.frame.select("row", "x")
        else:
            wanted = np.sort(numbers)

            def chosen(batches: Iterator[Any]) -> Iterator[Any]:
                for batch in batches:
                    row = batch.column("row").to_numpy()
                    place = np.minimum(np.searchsorted(wanted, row), len(wanted) - 1)
                    yield batch.take(np.flatnonzero(wanted[place] == row))

            frame = self.matrix.frame.select("row", "x").mapInArrow(chosen, "row long, x array<double>")
        with job(doing, deadline):
            table = frame.toArrow()
        row, values = next(rows_and_values([table]))
        return values[np.argsort(row)[np.searchsorted(np.sort(row), numbers)]]


def as_spark_matrix(data: SparkMatrix | Matrix | Any) -> SparkMatrix:
    """A SparkMatrix as it is; whatever `as_matrix` takes is handed to Spark."""
    if isinstance(data, SparkMatrix):
        return data
    import pyarrow as pa

    matrix = as_matrix(data)
    if matrix.values.shape[1] < 1:
        raise TooFewRows(len(matrix.values), 2, "with 0 numeric column(s)")
    arrays = {"row": pa.array(np.arange(len(matrix.values))), "x": list_array(matrix.values)}
    if matrix.ids is not None:
        arrays["id"] = pa.array(matrix.ids, pa.string())
    frame = spark().createDataFrame(pa.table(arrays))
    return SparkMatrix(frame, matrix.columns, matrix.id_column, matrix.dropped_columns)


def open_spark_matrix(source: str | Path | DatasetRef, *, id_column: str | None = None) -> SparkMatrix:
    """The matrix in a Parquet file or a folder of them, which stays where it is; a CSV is read and handed over.

    The id column is found as `read_matrix` does it. Rows are numbered file by file in the order of the names.

    Raises:
        UnreadableInput, NotNumeric, ParameterOutOfRange, and for a DatasetRef DatasetMissing, ChecksumMismatch
    """
    from pyspark.sql import functions as sf
    from pyspark.sql.types import BooleanType, NumericType

    uri = table_uri(source)
    if uri is None:
        return as_spark_matrix(read_matrix(str(source), id_column=id_column))
    frame = parquet_frame(uri)
    names = [name for name in frame.columns if name != "row"]
    kinds = {name: frame.schema[name].dataType for name in names}
    found = _id_column(frame, names, id_column)
    numeric = [name for name in names if name != found]
    if not numeric:
        raise NotNumeric(names[0], None)
    values = []
    for name in numeric:
        column = sf.col(_quoted(name))
        if not isinstance(kinds[name], (NumericType, BooleanType)):
            with job("looking for numbers"):
                first = frame.where(column.isNotNull()).select(column).first()
            if first is not None:
                raise NotNumeric(name, first[0])
        values.append(sf.coalesce(column.cast("double"), sf.lit(float("nan"))))
    columns = [sf.col("row"), sf.array(*values).alias("x")]
    if found is not None:
        columns.append(sf.col(_quoted(found)).cast("string").alias("id"))
    return SparkMatrix(frame.select(*columns), tuple(numeric), found)


def prepare(data: Any, *, scaler: str, constant_columns: str, limits: MiningLimits, deadline: Deadline) -> Prepared:
    """Look at all rows once: the errors are those of `matrix.checked` and `scaling.prepared`."""
    if constant_columns not in ("refuse", "drop", "keep"):
        raise ParameterOutOfRange("constant_columns", constant_columns, "refuse, drop or keep")
    if scaler not in SCALERS:
        raise ParameterOutOfRange("scaler", scaler, ", ".join(SCALERS))
    matrix = as_spark_matrix(data)
    width = len(matrix.columns)
    if width > limits.max_columns:
        raise TooMuchData("data", width, limits.max_columns, "columns")
    total = _survey(matrix, scaler if constant_columns == "keep" else "none", deadline)
    if total.rows > limits.max_rows:
        raise TooMuchData("data", total.rows, limits.max_rows, "rows")
    if total.rows < 2:
        raise TooFewRows(total.rows, 2, f"with {width} numeric column(s)")
    if total.bad_values:
        bad = tuple(matrix.columns[place] for place in sorted(total.bad_columns))
        raise NotFinite(bad, tuple(total.bad_rows), total.bad_values)
    largest = float(max(total.high.max(), -total.low.min()))
    if largest > LARGEST:
        raise ParameterOutOfRange("data", largest, f"values up to {LARGEST:g}, whose squares can be added")
    constant = total.low == total.high
    if constant_columns != "keep":
        if constant.any():
            names = tuple(matrix.columns[place] for place in np.flatnonzero(constant))
            if constant_columns == "refuse" or constant.all():
                raise ConstantColumns(names)
            matrix = _without(matrix, np.flatnonzero(~constant), names)
        if constant.any() or scaler in ("row-mean", "row-max"):
            total = _survey(matrix, scaler, deadline)
    if total.small_rows:
        row, size = total.small_rows[0]
        raise ParameterOutOfRange(
            "scaler", scaler, f"row scalers need a {scaler[4:]} above 0 in each row; row {row} has {size:g}"
        )
    assert total.moments is not None
    shift, scale = np.zeros(len(matrix.columns)), np.ones(len(matrix.columns))
    if scaler == "standard":
        shift, scale = total.moments.mean, total.moments.deviation
    elif scaler == "minmax":
        shift, scale = total.low, total.high - total.low
    # A column that is kept although it is constant is not divided, as in scikit-learn.
    return Prepared(matrix, total, Scaling(scaler, shift, np.where(total.low == total.high, 1.0, scale)))


def distinct_rows(data: Prepared, enough: int, sample: Floats, deadline: Deadline) -> int:
    """Number of different rows, or `enough` as soon as there are that many; `sample` usually has them."""
    found = len(np.unique(sample, axis=0))
    if found < enough and len(sample) < data.rows:
        with job("counting different rows", deadline):
            found = data.matrix.frame.select("x").distinct().limit(enough).count()
    return min(found, enough)


def refuse_too_many(k: int, data: Prepared, sample: Floats, deadline: Deadline) -> None:
    """Raise TooManyClusters when there are not k different rows."""
    distinct = distinct_rows(data, min(k, data.rows), sample, deadline)
    if k > distinct:
        raise TooManyClusters(k, data.rows, distinct_rows(data, data.rows, sample, deadline))


def chosen_rows(rows: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    """The row numbers of a sample: all, or `most`, the same that the local engine takes."""
    if rows <= most:
        return np.arange(rows)
    return np.random.default_rng(seed).choice(rows, most, replace=False)


def _survey(matrix: SparkMatrix, scaler: str, deadline: Deadline) -> Survey:
    import pyarrow as pa

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        found = pickle.dumps(survey(rows_and_values(batches), scaler))
        yield pa.record_batch({"survey": pa.array([found], pa.binary())})

    total = Survey()
    with job("checking the rows", deadline):
        parts = matrix.frame.select("row", "x").mapInArrow(work, "survey binary").toArrow()
    for part in parts.column("survey").to_pylist():
        total.add(pickle.loads(part))  # noqa: S301 - written by the workers of this call
    return total


def _without(matrix: SparkMatrix, kept: npt.NDArray[np.int64], names: tuple[str, ...]) -> SparkMatrix:
    from pyspark.sql import functions as sf

    x = sf.array(*[sf.col("x")[int(place)] for place in kept])
    frame = matrix.frame.withColumn("x", x)
    return SparkMatrix(frame, tuple(matrix.columns[place] for place in kept), matrix.id_column, names)


def _id_column(frame: DataFrame, names: Sequence[str], asked: str | None) -> str | None:
    from pyspark.sql import functions as sf
    from pyspark.sql.types import DoubleType, FloatType, NumericType

    if asked == "-" or not names:
        return None
    if asked is not None:
        if asked not in names:
            raise ParameterOutOfRange("id_column", asked, f"one of {', '.join(names[:20])}, or -")
        return asked
    first = names[0]
    column, kind = sf.col(_quoted(first)), frame.schema[first].dataType
    with job("looking for an id column"):
        if not isinstance(kind, NumericType):
            return first if frame.where(column.isNotNull()).limit(1).count() else None
        if not id_by_name(first) or len(names) < 2 or isinstance(kind, (FloatType, DoubleType)):
            return None
        total, different = frame.agg(sf.count(sf.lit(1)), sf.countDistinct(column)).first() or (0, 0)
    return first if total == different else None


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
