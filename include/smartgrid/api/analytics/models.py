"""The bodies of the mining requests. Limits stand in the schema; errors name the field and the limit."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from smartgrid.api.analytics.limits import (
    ANSWER_MEMORY_MB,
    MAX_BASKET_ITEMS,
    MAX_COLUMNS,
    MAX_MEMORY_MB,
    MAX_ROWS,
    MAX_TEXT,
    MAX_TRANSACTIONS,
)

# Squares of larger values cannot be added.
_LARGEST = 1e140
Number = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]
Whole = Annotated[int, Strict(), Field(ge=-(2**53), le=2**53)]
Text = Annotated[str, Strict(), Field(min_length=1, max_length=MAX_TEXT)]
Cell = Annotated[Whole | Number | Text | None, Field(union_mode="left_to_right")]
# fail_fast: a body of a million wrong values gives one error, not a million.
Row = Annotated[list[Number], Field(fail_fast=True, min_length=1, max_length=MAX_COLUMNS)]
Record = Annotated[dict[Text, Cell], Field(min_length=1, max_length=MAX_COLUMNS)]
Rows = Annotated[
    list[Annotated[Row | Record, Field(union_mode="left_to_right")]],
    Field(fail_fast=True, min_length=2, max_length=MAX_ROWS),
]
Basket = Annotated[list[Text], Field(fail_fast=True, max_length=MAX_BASKET_ITEMS)]
Fraction = Annotated[float, Strict(), Field(gt=0, le=1, allow_inf_nan=False)]


def _wrong(field: str, limit: str) -> PydanticCustomError:
    """An error of several fields together; `field` is the one to change."""
    return PydanticCustomError("not_together", "Allowed: {limit}", {"field": field, "limit": limit})


class DatasetReference(BaseModel):
    """A file in the lake or in HOME, as a `DatasetRef` of a pipeline names it. Other fields of it are ignored."""

    uri: str = Field(
        min_length=1,
        max_length=1_000,
        description="CSV (first line: names) or Parquet file: a path, absolute or relative to HOME or to the lake, or "
        "a URL within the lake. No other file can be read.",
        examples=["lake/exports/household_days.parquet"],
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the file's content; another content is refused",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )


class MiningRequest(BaseModel):
    """What all requests share."""

    model_config = ConfigDict(extra="forbid")
    # The field with inline data.
    inline: ClassVar[str] = "data"

    dataset: DatasetReference | None = Field(None, description="the data as a file, instead of inline")
    time_limit_s: float | None = Field(
        None, gt=0, le=1_500, allow_inf_nan=False, description="seconds after which the work ends; default: none"
    )
    memory_mb: int = Field(
        ANSWER_MEMORY_MB,
        ge=64,
        le=MAX_MEMORY_MB,
        description=f"memory that the work may take; above {ANSWER_MEMORY_MB} it runs as a job",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (getattr(self, self.inline) is None) == (self.dataset is None):
            raise _wrong(self.inline, f"either {self.inline} or dataset, and not both")
        return self

    @property
    def values(self) -> int:
        """How many values are given inline."""
        rows: Any = getattr(self, self.inline)
        return 0 if rows is None else sum(len(row) for row in rows)

    def as_json(self) -> bytes:
        """The JSON that `smartgrid.mining.on_request` takes."""
        return self.model_dump_json().encode()


class ClusteringRequest(MiningRequest):
    """What K-Means and DBSCAN share: a matrix and how it is prepared."""

    data: Rows | None = Field(
        None,
        description="one object a row: lists of numbers, all of the same length, or objects with the same names. In "
        "objects a first field with texts, or with the name of an id (`id`, `meter`, `…_id`) and no value twice, is "
        "the id",
    )
    columns: list[Text] | None = Field(
        None, min_length=1, max_length=MAX_COLUMNS, description="names of the columns, for rows that are lists"
    )
    features: list[Text] | None = Field(
        None, min_length=1, max_length=MAX_COLUMNS, description="columns to use; default: all but the id"
    )
    id_column: Text | None = Field(
        None, description="column with the names of the rows; `-`: there is none; default: found as described in `data`"
    )
    scaler: Literal["none", "standard", "minmax", "row-mean", "row-max"] = Field(
        "none", description="standard and minmax: by column; row-mean and row-max: the shape of a row, not its size"
    )
    constant_columns: Literal["refuse", "drop", "keep"] = Field(
        "refuse", description="what happens to columns that have the same value in each row"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of everything random")

    @model_validator(mode="after")
    def _rows_of_one_kind(self) -> Self:
        if self.data is not None:
            kinds = {isinstance(row, dict) for row in self.data}
            if len(kinds) > 1:
                raise _wrong("data", "rows that are all lists or all objects")
            if self.columns is not None and kinds == {True}:
                raise _wrong("columns", "names for rows that are lists; objects have names already")
            if kinds == {False} and self.id_column not in (None, "-"):
                raise _wrong("id_column", "a name in rows that are objects, or in a file")
        if self.columns is not None and self.data is None:
            raise _wrong("columns", "names for rows in data; a file has names already")
        for name in ("columns", "features"):
            twice = [column for column, count in Counter(getattr(self, name) or ()).items() if count > 1]
            if twice:
                raise _wrong(name, f"each name once; {twice[0]!r} is there twice")
        return self


class KMeansRequest(ClusteringRequest):
    """Groups of rows that look alike."""

    k: int | None = Field(None, ge=1, le=1_000, description="number of clusters; without it, 2 to max_k are tried")
    n_clusters: int | None = Field(None, ge=1, le=1_000, description="the same as k, by scikit-learn's name")
    max_k: int = Field(10, ge=2, le=50, description="largest number of clusters that is tried")
    n_init: int = Field(10, ge=1, le=100, description="starts, of which the best is kept")

    @model_validator(mode="after")
    def _one_name_for_k(self) -> Self:
        if self.k is not None and self.n_clusters is not None and self.k != self.n_clusters:
            raise _wrong("k", "k or n_clusters, which mean the same")
        return self

    def as_json(self) -> bytes:
        k = self.n_clusters if self.k is None else self.k
        return self.model_copy(update={"k": k}).model_dump_json(exclude={"n_clusters"}).encode()


class DbscanRequest(ClusteringRequest):
    """Dense groups of rows, and the outliers with what is odd about them."""

    eps: float | None = Field(
        None, gt=0, le=_LARGEST, allow_inf_nan=False, description="radius; without it, the knee of the distances"
    )
    min_samples: int = Field(5, ge=1, le=MAX_ROWS, description="rows within eps that make a core row, itself included")
    causes: int = Field(5, ge=0, le=100, description="columns that explain each outlier")


class AssociationRequest(MiningRequest):
    """Items that go together, and rules."""

    inline: ClassVar[str] = "transactions"

    transactions: Annotated[list[Basket], Field(fail_fast=True, min_length=1, max_length=MAX_TRANSACTIONS)] | None = (
        Field(None, description="one list of items for each transaction; an item named twice counts once")
    )
    transaction_column: Text = Field("transaction", description="of a dataset: which transaction a line belongs to")
    item_column: Text = Field("item", description="of a dataset: the item")
    min_support: Fraction = Field(0.1, description="smallest share of transactions that an itemset is in")
    min_confidence: Fraction = Field(0.5, description="smallest confidence of a rule")
    max_length: int | None = Field(None, ge=1, le=50, description="largest number of items in an itemset")
    all_rules: bool = Field(False, description="redundant rules too")
    max_itemsets: int = Field(100_000, ge=1, le=1_000_000, description="itemsets after which the search ends")
    max_rules: int = Field(100_000, ge=1, le=1_000_000, description="rules after which no more are made")
    on_limit: Literal["partial", "error"] = Field(
        "partial", description="at time_limit_s, memory_mb or max_itemsets: a result marked partial, or an error"
    )
