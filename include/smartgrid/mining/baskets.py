"""Baskets of items (transactions), held as numbers: the input of the association rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from smartgrid.mining.csv_table import read_csv
from smartgrid.mining.errors import BasketTooLong, ItemNotText, TooFewRows, TooMuchData, UnreadableInput
from smartgrid.mining.limits import MiningLimits

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Baskets:
    """`items`: the distinct items, sorted. Pair i says that basket `basket[i]` has item `item[i]` (no pair twice).

    Baskets are numbered from 0 to `count` - 1 and `basket` is sorted; baskets may be empty.
    """

    items: tuple[str, ...]
    basket: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]
    count: int


def as_baskets(data: Baskets | pl.DataFrame | Iterable[Sequence[str]]) -> Baskets:
    """Baskets of a frame with the columns `transaction` and `item`, or of a list of lists of texts."""
    if isinstance(data, Baskets):
        return data
    if hasattr(data, "get_columns"):
        return baskets_of_frame(cast("pl.DataFrame", data))
    return _of_lists(data)


def read_baskets(path: str | Path, *, transaction_column: str = "transaction", item_column: str = "item") -> Baskets:
    """Baskets of a CSV or Parquet file with one line for each item of each transaction. All values are texts."""
    import polars as pl

    path = Path(path)
    wanted = f"a CSV or Parquet file with the columns {transaction_column},{item_column}"
    if not path.is_file():
        raise UnreadableInput(str(path), "there is no such file", wanted)
    try:
        is_parquet = path.suffix.lower() in {".parquet", ".pq"}
        frame = pl.read_parquet(path) if is_parquet else read_csv(path, as_texts=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableInput(str(path), str(error).splitlines()[0], wanted) from error
    frame = _named_as_asked(frame, (transaction_column, item_column))
    missing = [name for name in (transaction_column, item_column) if name not in frame.columns]
    if missing:
        names = ", ".join(frame.columns[:10]) + (" ..." if frame.width > 10 else "")
        raise UnreadableInput(str(path), f"no column {', '.join(missing)} among {names}", wanted)
    return baskets_of_frame(frame, transaction_column=transaction_column, item_column=item_column)


def _named_as_asked(frame: pl.DataFrame, wanted: tuple[str, ...]) -> pl.DataFrame:
    """The frame with columns that differ from a wanted name by capitals alone renamed to it."""
    lower = {name.lower(): name for name in reversed(frame.columns)}
    renamed = {lower[name.lower()]: name for name in wanted if name not in frame.columns and name.lower() in lower}
    return frame.rename(renamed)


def baskets_of_frame(
    frame: pl.DataFrame, *, transaction_column: str = "transaction", item_column: str = "item"
) -> Baskets:
    """Baskets of a frame with one row for each item of each transaction; rows of a transaction may be anywhere."""
    import polars as pl

    missing = [name for name in (transaction_column, item_column) if name not in frame.columns]
    if missing:
        raise UnreadableInput("frame", f"no column {', '.join(missing)}", f"columns {transaction_column},{item_column}")
    pairs = frame.select(transaction=pl.col(transaction_column), item=pl.col(item_column).cast(pl.String, strict=False))
    bad = pairs.with_row_index().filter(pl.col("item").is_null() | (pl.col("item") == ""))
    if bad.height:
        raise ItemNotText(int(bad["index"][0]), bad["item"][0])
    if pairs["transaction"].null_count():
        row = int(pairs["transaction"].is_null().arg_true()[0])
        raise UnreadableInput("frame", f"row {row} has no {transaction_column}", f"a {transaction_column} in each row")
    if not pairs.height:
        raise TooFewRows(0, 1, "a transaction needs one")
    items = pairs["item"].unique().sort()
    coded = pairs.select(
        basket=pl.col("transaction").rank("dense").cast(pl.Int64) - 1,
        item=pl.col("item").replace_strict(items, pl.int_range(len(items), eager=True), return_dtype=pl.Int64),
    )
    basket = coded["basket"].to_numpy()
    return _without_repeats(tuple(items.to_list()), basket, coded["item"].to_numpy(), int(basket.max()) + 1)


def _of_lists(baskets: Iterable[Sequence[str]]) -> Baskets:
    lists = baskets if isinstance(baskets, list) else list(baskets)
    if not lists:
        raise TooFewRows(0, 1, "there is no basket")
    for number, basket in enumerate(lists):
        if not isinstance(basket, (list, tuple, set, frozenset)):
            raise ItemNotText(number, basket)
    flat = list(chain.from_iterable(lists))
    try:
        distinct = set(flat)
        usual = set(map(type, distinct)) <= {str} and "" not in distinct
    except TypeError:  # a list or a dict: not even hashable
        usual = False
    if not usual:
        for number, basket in enumerate(lists):
            for item in basket:
                if not isinstance(item, str) or not item:
                    raise ItemNotText(number, item)
    items = tuple(sorted(map(str, distinct)))
    code = {item: number for number, item in enumerate(items)}
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    coded = np.fromiter(map(code.__getitem__, flat), np.int64, len(flat))
    return _without_repeats(items, np.repeat(np.arange(len(lists)), lengths), coded, len(lists))


def _without_repeats(
    items: tuple[str, ...], basket: npt.NDArray[np.int64], item: npt.NDArray[np.int64], count: int
) -> Baskets:
    """Pairs sorted by basket, then item; a pair that is there twice counts once."""
    width = max(len(items), 1)
    key = basket * width + item
    # Stable is five times as fast here: the baskets are in order already, or nearly so.
    key.sort(kind="stable")
    new = np.ones(len(key), dtype=bool)
    np.not_equal(key[1:], key[:-1], out=new[1:])
    if not new.all():
        key = key[new]
    return Baskets(items, key // width, (key % width).astype(np.int32), count)


def checked(baskets: Baskets, limits: MiningLimits) -> Baskets:
    """The same baskets, or the error that says which one is too long."""
    if baskets.count > limits.max_rows:
        raise TooMuchData("baskets", baskets.count, limits.max_rows, "baskets")
    lengths = np.bincount(baskets.basket, minlength=1)
    longest = int(lengths.argmax())
    if lengths[longest] > limits.max_basket_items:
        raise BasketTooLong(longest, int(lengths[longest]), limits.max_basket_items)
    return baskets
