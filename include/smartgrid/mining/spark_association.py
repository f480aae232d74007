"""Apriori and FP-Growth on Spark: the itemsets of MLlib's FP-Growth for both, and the rules of `rules.py`.

Which itemsets are frequent is defined by the data and the support, not by the search, and Spark has no Apriori: its
result is that of FP-Growth, and the result's `engine` says so. Itemsets come to the driver, at most `max_itemsets`; the
baskets do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartgrid.mining.association import checked_parameters, refuse_explosion
from smartgrid.mining.errors import BasketTooLong, ItemsetLimitReached, TimeLimitReached, TooMuchData
from smartgrid.mining.itemset_table import ItemsetTable
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.projection import smallest_count
from smartgrid.mining.results import AssociationResult
from smartgrid.mining.rules import rules_of
from smartgrid.mining.significance import CORRECTION
from smartgrid.mining.spark_baskets import SparkBaskets, as_spark_baskets
from smartgrid.mining.spark_session import job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_Integers = npt.NDArray[np.int64]
_Found = dict[int, dict[tuple[int, ...], int]]


def apriori(
    baskets: Any,
    *,
    min_support: float,
    min_confidence: float = 0.5,
    max_length: int | None = None,
    all_rules: bool = False,
    limits: MiningLimits | None = None,
) -> AssociationResult:
    """`association.apriori` on Spark; the itemsets are those of MLlib's FP-Growth."""
    engine = "Spark MLlib FP-Growth (Spark has no Apriori; the frequent itemsets are the same)"
    return _associations(
        "apriori", engine, baskets, min_support, min_confidence, max_length, all_rules, limits or MiningLimits()
    )


def fp_growth(
    baskets: Any,
    *,
    min_support: float,
    min_confidence: float = 0.5,
    max_length: int | None = None,
    all_rules: bool = False,
    limits: MiningLimits | None = None,
) -> AssociationResult:
    """`association.fp_growth` on Spark: MLlib's parallel FP-Growth (Li et al. 2008)."""
    engine = "Spark MLlib FP-Growth"
    return _associations(
        "fp-growth", engine, baskets, min_support, min_confidence, max_length, all_rules, limits or MiningLimits()
    )


def _associations(
    method: str,
    engine: str,
    data: Any,
    min_support: float,
    min_confidence: float,
    max_length: int | None,
    all_rules: bool,
    limits: MiningLimits,
) -> AssociationResult:
    checked_parameters(min_support, min_confidence, max_length)
    deadline = Deadline(limits.time_limit_s)
    given = as_spark_baskets(data, limits)
    with _grouped(given) as baskets:
        count = _counted(given, baskets, limits, deadline)
        min_count = smallest_count(count, min_support)
        names, counts, longest, distinct = _frequent_items(baskets, min_count, deadline)
        refuse_explosion(counts, count, longest, min_support, max_length, limits)
        found: _Found = {1: {(item,): number for item, number in enumerate(counts.tolist())}} if names else {}
        reason = None
        if names and max_length != 1:
            found, reason = _searched(baskets, names, found, min_count, max_length, limits, deadline)
    found, reason = _capped(found, reason, limits)
    levels = [
        (np.array(list(level), dtype=np.int64).reshape(-1, size), np.array(list(level.values()), dtype=np.int64))
        for size, level in sorted(found.items())
    ]
    itemsets = ItemsetTable.of_levels(tuple(names), count, levels)
    rules = rules_of(itemsets, min_confidence, all_rules=all_rules, limits=limits, deadline=deadline)
    reasons = "; ".join(part for part in (reason, rules.partial_reason) if part) or None
    return AssociationResult(
        method=method,
        engine=engine,
        transactions=count,
        distinct_items=distinct if given.distinct_items is None else given.distinct_items,
        min_support=min_support,
        min_confidence=min_confidence,
        max_length=max_length,
        itemset_table=itemsets,
        rule_table=rules.table,
        rules_found=rules.found,
        rules_tried=rules.tried,
        partial=reasons is not None,
        partial_reason=reasons,
        parameters={"all_rules": all_rules, "correction": CORRECTION, "min_count": min_count},
    )


@contextmanager
def _grouped(data: SparkBaskets) -> Iterator[DataFrame]:
    """transaction, items (each once), kept while they are worked on."""
    from pyspark.sql import functions as sf

    frame = data.frame.groupBy("transaction").agg(sf.collect_set("item").alias("items")).persist()
    try:
        yield frame
    finally:
        frame.unpersist()


def _counted(given: SparkBaskets, baskets: DataFrame, limits: MiningLimits, deadline: Deadline) -> int:
    """The number of baskets; raises where there are too many, or one is too long."""
    from pyspark.sql import functions as sf

    with job("counting the baskets", deadline):
        number, longest = baskets.agg(sf.count(sf.lit(1)), sf.max(sf.size("items"))).first() or (0, 0)
        if number > limits.max_rows:
            raise TooMuchData("baskets", number, limits.max_rows, "baskets")
        if (longest or 0) > limits.max_basket_items:
            which = baskets.where(sf.size("items") == longest).orderBy("transaction").collect()[0]["transaction"]
            raise BasketTooLong(str(which), longest, limits.max_basket_items)
    return int(number) if given.count is None else given.count


def _frequent_items(baskets: DataFrame, min_count: int, deadline: Deadline) -> tuple[list[str], _Integers, int, int]:
    """(frequent items, sorted; their counts; items of the longest basket; number of distinct items)."""
    from pyspark.sql import functions as sf

    with job("counting the items", deadline):
        counts = baskets.select(sf.explode("items").alias("item")).groupBy("item").count().persist()
        distinct = counts.count()
        frequent = counts.where(sf.col("count") >= min_count).toArrow()
        longest = baskets.agg(sf.max(sf.size("items"))).first()
        counts.unpersist()
    names = frequent.column("item").to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = np.asarray(frequent.column("count").to_numpy(), dtype=np.int64)[order]
    return [names[place] for place in order], numbers, int((longest and longest[0]) or 0), distinct


def _searched(
    baskets: DataFrame,
    names: Sequence[str],
    found: _Found,
    min_count: int,
    max_length: int | None,
    limits: MiningLimits,
    deadline: Deadline,
) -> tuple[_Found, str | None]:
    """Itemsets by size as item numbers, and why some are missing."""
    from pyspark.ml.fpm import FPGrowth
    from pyspark.sql import functions as sf

    try:
        with job("searching itemsets", deadline):
            rows = baskets.count()
            # MLlib asks for ceil(minSupport * rows): half a basket less makes that our count, whatever is rounded.
            learner = FPGrowth(itemsCol="items", minSupport=(min_count - 0.5) / rows, minConfidence=1.0)
            itemsets = learner.fit(baskets).freqItemsets.where(sf.size("items") > 1)
            if max_length is not None:
                itemsets = itemsets.where(sf.size("items") <= max_length)
            # One more than is allowed says that there are more; without a limit an explosion would fill the driver.
            table = itemsets.limit(limits.max_itemsets + 1).toArrow()
    except TimeLimitReached as error:
        if limits.on_limit == "error":
            raise
        return found, f"time_limit_s: {error.limit_s:g} s were over; only single items are given"
    number = {name: place for place, name in enumerate(names)}
    result: _Found = dict(found)
    for items, count in zip(table.column("items").to_pylist(), table.column("freq").to_pylist(), strict=True):
        members = tuple(sorted(number[item] for item in items))
        result.setdefault(len(members), {})[members] = count
    return result, None


def _capped(found: _Found, reason: str | None, limits: MiningLimits) -> tuple[_Found, str | None]:
    """All, or at the cap as many as are allowed that have all their subsets with them."""
    number = sum(map(len, found.values()))
    if number <= limits.max_itemsets:
        return found, reason
    if limits.on_limit == "error":
        raise ItemsetLimitReached(limits.max_itemsets, limits.max_itemsets)
    kept: _Found = {}
    left = limits.max_itemsets
    for size in sorted(found):
        before = kept.get(size - 1, {})
        level = {
            members: count
            for members, count in sorted(found[size].items())
            if size == 1 or all(members[:out] + members[out + 1 :] in before for out in range(size))
        }
        kept[size] = dict(list(level.items())[:left])
        left -= len(kept[size])
        if not left or not level:
            break
    return {size: level for size, level in kept.items() if level}, (
        f"max_itemsets: {limits.max_itemsets:,} itemsets were found"
    )
