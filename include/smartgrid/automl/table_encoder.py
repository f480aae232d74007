"""Any table as numbers: what the AutoML libraries are given, the same for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.errors import SmartGridError

Floats = npt.NDArray[np.float64]

MOST_CATEGORIES = 30


class BadTable(SmartGridError):
    """A table cannot be trained on, or not be predicted with."""

    exit_code = 2

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{problem}. Give X as a table of rows and columns, and one value of y for each row.")


@dataclass(frozen=True)
class Column:
    """A column by its position and name; `categories` of a text column get a column of zeros and ones each."""

    position: int
    name: str
    categories: tuple[str, ...] | None


@dataclass(frozen=True)
class TableEncoder:
    """Learned from the training table; NaN stays NaN, times become seconds, text becomes its 30 commonest values."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, X: Any) -> TableEncoder:
        """From a numpy array (n, k) or a pandas DataFrame.

        Raises:
            BadTable
        """
        arrays, names = _columns(X)
        found = []
        for position, (name, values) in enumerate(zip(names, arrays, strict=True)):
            numeric = _numbers(values) is not None
            found.append(Column(position, name, None if numeric else _commonest(values)))
        if not found:
            raise BadTable("X has no columns")
        return cls(tuple(found))

    @property
    def names(self) -> list[str]:
        """Of the encoded columns."""
        return [
            name
            for column in self.columns
            for name in (
                [column.name]
                if column.categories is None
                else [f"{column.name}={category}" for category in column.categories]
            )
        ]

    def encode(self, X: Any) -> Floats:
        """Rows as float64 (n, len(names)).

        Raises:
            BadTable: other columns than in training.
        """
        arrays, names = _columns(X)
        if len(names) != len(self.columns):
            raise BadTable(f"X has {len(names)} columns, the model was trained on {len(self.columns)}")
        parts: list[Floats] = []
        for column, values in zip(self.columns, arrays, strict=True):
            if column.categories is None:
                numbers = _numbers(values)
                if numbers is None:
                    raise BadTable(f"Column {column.name!r} has text where training had numbers")
                parts.append(numbers)
            else:
                text = np.array([str(value) for value in values])
                parts += [(text == category).astype(np.float64) for category in column.categories]
        return np.column_stack(parts)


def _columns(X: Any) -> tuple[list[npt.NDArray[Any]], list[str]]:
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        return [X.iloc[:, index].to_numpy() for index in range(X.shape[1])], [str(name) for name in X.columns]
    table = np.asarray(X)
    if table.ndim != 2:
        raise BadTable(f"X has the shape {table.shape}")
    return [table[:, index] for index in range(table.shape[1])], [f"x{index}" for index in range(table.shape[1])]


def _numbers(values: npt.NDArray[Any]) -> Floats | None:
    """As float64; None for text. Infinite values count as missing."""
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[s]")
        return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64).astype(np.float64))
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        return None
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _commonest(values: npt.NDArray[Any]) -> tuple[str, ...]:
    names, counts = np.unique(np.array([str(value) for value in values]), return_counts=True)
    return tuple(sorted(names[np.argsort(-counts, kind="stable")][:MOST_CATEGORIES].tolist()))
