"""A matrix to cluster: one row an object, named columns, optional ids. Checked once, here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import numpy.typing as npt

from smartgrid.mining.csv_table import read_csv
from smartgrid.mining.errors import (
    ConstantColumns,
    NotFinite,
    NotNumeric,
    ParameterOutOfRange,
    RaggedRows,
    TooFewRows,
    TooMuchData,
    UnreadableInput,
)
from smartgrid.mining.limits import MiningLimits

if TYPE_CHECKING:
    import polars as pl

_ID_ENDINGS = {"id", "ids", "no", "nr", "number", "code"}
ConstantColumnRule = Literal["refuse", "drop", "keep"]
# Squares of larger values, added up, do not fit a double.
LARGEST = 1e140
# Names of a first column that is an id although its values are numbers.
_ID_NAMES = {"", "id", "index", "key", "household", "customer", "meter", "sensor", "zone", "station", "feeder", "node"}


@dataclass(frozen=True)
class Matrix:
    """values float64 (n, d) in the input's units; ids (n,) as texts or None."""

    values: npt.NDArray[np.float64]
    columns: tuple[str, ...]
    ids: tuple[str, ...] | None = None
    id_column: str | None = None
    dropped_columns: tuple[str, ...] = ()


def as_matrix(data: Matrix | pl.DataFrame | npt.NDArray[np.floating] | Sequence[Sequence[float]]) -> Matrix:
    """A Matrix of a frame (an id column is found as `read_matrix` does), an array or a list of rows."""
    if isinstance(data, Matrix):
        return data
    if isinstance(data, np.ndarray):
        return _of_array(data)
    if hasattr(data, "get_columns"):  # a polars frame, without importing polars
        return matrix_of_frame(cast("pl.DataFrame", data))
    return _of_rows(data)


def read_matrix(path: str | Path, *, id_column: str | None = None) -> Matrix:
    """The Matrix in a CSV (first line: names) or Parquet file.

    The id column is the named one, else the first column when it is not numeric, or is named like an id and has no
    value twice; "-" says that there is none.
    """
    return matrix_of_frame(_read_frame(Path(path)), id_column=id_column)


def _read_frame(path: Path) -> pl.DataFrame:
    import polars as pl

    wanted = "a CSV or Parquet file, one row an object, the first line of a CSV with the names of the columns"
    if not path.is_file():
        raise UnreadableInput(str(path), "there is no such file", wanted)
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pl.read_parquet(path)
        return read_csv(path, as_texts=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableInput(str(path), str(error).splitlines()[0], wanted) from error


def matrix_of_frame(frame: pl.DataFrame, *, id_column: str | None = None) -> Matrix:
    """The Matrix in a frame. See `read_matrix` for the id column."""
    found = _id_column(frame, id_column)
    numeric = frame.drop(found) if found is not None else frame
    if not numeric.width:
        raise (
            TooMuchData("columns", 0, 0, "columns besides the id")
            if frame.width == 0
            else NotNumeric(frame.columns[0], frame[frame.columns[0]].first())
        )
    for name in numeric.columns:
        column = numeric[name]
        if not (column.dtype.is_numeric() or column.dtype == _boolean() or column.is_null().all()):
            raise NotNumeric(name, _first_text(column))
    values = np.ascontiguousarray(
        np.column_stack([_floats(numeric[name]) for name in numeric.columns]), dtype=np.float64
    )
    ids = None if found is None else tuple(str(value) for value in frame[found].to_list())
    return Matrix(values, tuple(numeric.columns), ids, found)


def _first_text(column: pl.Series) -> object:
    """The first value that is no number; of other kinds than texts, the first."""
    import polars as pl

    values = column.drop_nulls()
    if column.dtype == pl.String:
        texts = values.filter(values.cast(pl.Float64, strict=False).is_null())
        values = texts if len(texts) else values
    return values.first()


def _boolean() -> object:
    import polars as pl

    return pl.Boolean


def _floats(column: pl.Series) -> npt.NDArray[np.float64]:
    import polars as pl

    values: npt.NDArray[np.float64] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return values


def _id_column(frame: pl.DataFrame, asked: str | None) -> str | None:
    if asked == "-" or not frame.width:
        return None
    if asked is not None:
        if asked not in frame.columns:
            raise ParameterOutOfRange("id_column", asked, f"one of {', '.join(frame.columns[:20])}, or -")
        return asked
    first = frame.columns[0]
    column = frame[first]
    if not column.dtype.is_numeric() and not column.is_null().all():
        return str(first)
    if id_by_name(first) and frame.width > 1 and not column.dtype.is_float() and column.n_unique() == frame.height:
        return str(first)
    return None


def id_by_name(column: str) -> bool:
    """Whether a column is called like an id: `meter`, `LCLid`, `customerId`, `account_no`, `id_2`."""
    name = column.strip().lower()
    last = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=id$)", column.strip())[-1].lower()
    # polars calls a column without a name "" or column_1; pandas writes its index so.
    return name in _ID_NAMES or last in _ID_ENDINGS or name.startswith(("id_", "unnamed"))


def _of_array(array: npt.NDArray[np.floating]) -> Matrix:
    if array.ndim != 2:
        raise ParameterOutOfRange("data", f"{array.ndim} dimensions", "two dimensions: rows and columns")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_) or np.iscomplexobj(array):
        raise NotNumeric("data", array.flat[0] if array.size else None)
    return Matrix(np.ascontiguousarray(array, dtype=np.float64), _numbered(array.shape[1]))


def _of_rows(rows: Sequence[Sequence[float]]) -> Matrix:
    if not len(rows):
        raise TooFewRows(0, 2, "and no column")
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise RaggedRows(number, len(row), width)
        for place, value in enumerate(row):
            if value is not None and not isinstance(value, (int, float, np.number)):
                raise NotNumeric(f"column_{place}", value, number)
    try:
        values = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)
    except OverflowError as error:
        raise ParameterOutOfRange("data", "an integer", "numbers that fit a 64-bit float") from error
    return Matrix(values.reshape(len(rows), width), _numbered(width))


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(width))


def checked(matrix: Matrix, *, constant_columns: ConstantColumnRule, limits: MiningLimits) -> Matrix:
    """The matrix without what a clustering cannot use, or the error that says what is wrong with it.

    Constant columns are an error ("refuse"), left out ("drop") or used as they are ("keep").
    """
    if constant_columns not in ("refuse", "drop", "keep"):
        raise ParameterOutOfRange("constant_columns", constant_columns, "refuse, drop or keep")
    rows, width = matrix.values.shape
    if rows > limits.max_rows:
        raise TooMuchData("data", rows, limits.max_rows, "rows")
    if width > limits.max_columns:
        raise TooMuchData("data", width, limits.max_columns, "columns")
    if rows < 2 or width < 1:
        raise TooFewRows(rows, 2, f"with {width} numeric column(s)")
    # One pass and no copy in the usual case: the sum is finite when all values are (or overflows, then look closer).
    with np.errstate(over="ignore", invalid="ignore"):
        total = matrix.values.sum()
    if not np.isfinite(total):
        finite = np.isfinite(matrix.values)
        if not finite.all():
            names = tuple(matrix.columns[place] for place in np.flatnonzero(~finite.all(axis=0)))
            raise NotFinite(names, tuple(np.flatnonzero(~finite.all(axis=1))[:20].tolist()), int((~finite).sum()))
    largest = float(max(matrix.values.max(), -matrix.values.min()))
    if largest > LARGEST:
        raise ParameterOutOfRange("data", largest, f"values up to {LARGEST:g}, whose squares can be added")
    constant = (matrix.values == matrix.values[0]).all(axis=0) if constant_columns != "keep" else np.zeros(width, bool)
    if not constant.any():
        return matrix
    names = tuple(matrix.columns[place] for place in np.flatnonzero(constant))
    if constant_columns == "refuse" or constant.all():
        raise ConstantColumns(names)
    kept = np.flatnonzero(~constant)
    return Matrix(
        np.ascontiguousarray(matrix.values[:, kept]),
        tuple(matrix.columns[place] for place in kept),
        matrix.ids,
        matrix.id_column,
        names,
    )
