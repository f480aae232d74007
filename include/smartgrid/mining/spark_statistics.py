"""What a matrix of rows is like, computed a batch at a time: runs in Spark's Python workers, needs no Spark itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Rows that an error names.
NAMED_ROWS = 20


@dataclass
class Moments:
    """Count, mean and sum of squared deviations by column; two are added by the formula of Chan et al. 1979."""

    count: int
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, values: Floats) -> Moments:
        mean = values.mean(axis=0)
        return cls(len(values), mean, np.einsum("ij,ij->j", values - mean, values - mean))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / count)
        with np.errstate(over="ignore", invalid="ignore"):  # values too large to square are refused by their range
            squares = self.squares + other.squares + step * step * (self.count * other.count / count)
        return Moments(count, mean, squares)

    @property
    def deviation(self) -> Floats:
        """Standard deviation of the population."""
        return np.asarray(np.sqrt(self.squares / self.count), dtype=np.float64)


@dataclass
class Survey:
    """Of one part of the rows, or of all: range and moments by column, and what is wrong.

    bad_values are missing, NaN or infinite; small_rows have no positive mean (or maximum) for a row scaler.
    """

    rows: int = 0
    low: Floats = field(default_factory=lambda: np.empty(0))
    high: Floats = field(default_factory=lambda: np.empty(0))
    moments: Moments | None = None
    bad_values: int = 0
    bad_columns: set[int] = field(default_factory=set)
    bad_rows: list[int] = field(default_factory=list)
    small_rows: list[tuple[int, float]] = field(default_factory=list)

    def add(self, other: Survey) -> None:
        if not other.rows:
            return
        self.low = np.minimum(self.low, other.low) if self.rows else other.low
        self.high = np.maximum(self.high, other.high) if self.rows else other.high
        if self.moments is None:
            self.moments = other.moments
        elif other.moments is not None:
            self.moments += other.moments
        self.rows += other.rows
        self.bad_values += other.bad_values
        self.bad_columns |= other.bad_columns
        self.bad_rows = sorted(self.bad_rows + other.bad_rows)[:NAMED_ROWS]
        self.small_rows = sorted(self.small_rows + other.small_rows)[:1]


@dataclass(frozen=True)
class Scaling:
    """Rows (n, d) as they are clustered, a batch at a time: what `scaling.prepared` makes of a whole matrix."""

    scaler: str
    shift: Floats
    scale: Floats

    def __call__(self, x: Floats) -> Floats:
        if self.scaler == "none":
            return x
        if self.scaler == "row-mean":
            return np.asarray(x / x.mean(axis=1)[:, None])
        if self.scaler == "row-max":
            return np.asarray(x / x.max(axis=1)[:, None])
        return (x - self.shift) / self.scale


def survey_of(row: Integers, values: Floats, scaler: str) -> Survey:
    """The survey of one batch."""
    finite = np.isfinite(values)
    if not finite.all():
        bad = ~finite
        where = np.sort(row[bad.any(axis=1)])[:NAMED_ROWS]
        columns = set(np.flatnonzero(bad.any(axis=0)).tolist())
        nothing = np.zeros(values.shape[1])
        return Survey(
            len(row), nothing, nothing, bad_values=int(bad.sum()), bad_columns=columns, bad_rows=where.tolist()
        )
    small: list[tuple[int, float]] = []
    if scaler in ("row-mean", "row-max"):
        size = values.mean(axis=1) if scaler == "row-mean" else values.max(axis=1)
        below = np.flatnonzero(~(size > 0))
        small = sorted(zip(row[below].tolist(), size[below].tolist(), strict=True))[:1]
    with np.errstate(over="ignore", invalid="ignore"):  # values too large to square are refused by their range
        moments = Moments.of(values)
    return Survey(len(row), values.min(axis=0), values.max(axis=0), moments, small_rows=small)


def survey(batches: Iterable[tuple[Integers, Floats]], scaler: str) -> Survey:
    """The survey of all batches of one part."""
    total = Survey()
    for row, values in batches:
        total.add(survey_of(row, values, scaler))
    return total


def rows_and_values(batches: Iterable[Any], column: str = "x") -> Iterator[tuple[Integers, Floats]]:
    """(row numbers, values (n, d)) of Arrow batches with the columns `row` and `column` (lists of one length)."""
    for batch in batches:
        if batch.num_rows:
            yield batch.column("row").to_numpy().astype(np.int64), matrix_of(batch.column(column))


def matrix_of(lists: Any) -> Floats:
    """(n, d) of an Arrow array (or chunked array) of lists that all have d values."""
    import pyarrow as pa

    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    flat: Floats = lists.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat.reshape(len(lists), -1), dtype=np.float64)


def list_array(values: Floats) -> Any:
    """The rows of a matrix as an Arrow array of lists."""
    import pyarrow as pa

    ends = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(np.ascontiguousarray(values).reshape(-1)))
