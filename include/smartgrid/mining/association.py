"""Apriori and FP-Growth: frequent itemsets of baskets and the rules made of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from smartgrid.mining.baskets import Baskets, as_baskets, checked
from smartgrid.mining.depth_first import search_depth_first
from smartgrid.mining.errors import ItemsetExplosion, ParameterOutOfRange
from smartgrid.mining.found_itemsets import FoundItemsets, SearchEnded
from smartgrid.mining.itemset_table import ItemsetTable
from smartgrid.mining.level_wise import search_level_wise
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.projection import Projections, smallest_count
from smartgrid.mining.results import AssociationResult
from smartgrid.mining.rules import rules_of
from smartgrid.mining.significance import CORRECTION

if TYPE_CHECKING:
    import polars as pl

# Subsets of one basket beyond which a search that finds them all is refused, whatever max_itemsets says.
_HOPELESS = 1 << 20

_Search = Callable[[Projections, FoundItemsets, int | None], None]


def apriori(
    baskets: Baskets | pl.DataFrame | Iterable[Sequence[str]],
    *,
    min_support: float,
    min_confidence: float = 0.5,
    max_length: int | None = None,
    all_rules: bool = False,
    limits: MiningLimits | None = None,
) -> AssociationResult:
    """Frequent itemsets level by level with pruned candidates (Agrawal and Srikant 1994), and their rules.

    min_support and min_confidence are fractions in (0, 1]; an itemset is frequent when count / baskets >= min_support.
    max_length caps the items of an itemset. Redundant rules are counted and left out unless `all_rules`.

    >>> result = apriori([["peak", "heat"], ["peak", "heat", "ramp"], ["ramp"]], min_support=0.6)
    >>> [(itemset.items, itemset.count) for itemset in result.itemsets]
    [(('heat',), 2), (('peak',), 2), (('ramp',), 2), (('heat', 'peak'), 2)]
    """
    return _associations(
        "apriori",
        search_level_wise,
        "level by level",
        baskets,
        min_support,
        min_confidence,
        max_length,
        all_rules,
        limits,
    )


def fp_growth(
    baskets: Baskets | pl.DataFrame | Iterable[Sequence[str]],
    *,
    min_support: float,
    min_confidence: float = 0.5,
    max_length: int | None = None,
    all_rules: bool = False,
    limits: MiningLimits | None = None,
) -> AssociationResult:
    """The same itemsets and rules as `apriori`, found depth first in conditional databases (Han, Pei and Yin 2000).

    The conditional databases are bitmaps, not FP-trees (docs/adr/0013-mining-engines.md): the itemsets that are
    frequent do not depend on the search.
    """
    return _associations(
        "fp-growth",
        search_depth_first,
        "depth first",
        baskets,
        min_support,
        min_confidence,
        max_length,
        all_rules,
        limits,
    )


def _associations(
    method: str,
    search: _Search,
    engine: str,
    data: Baskets | pl.DataFrame | Iterable[Sequence[str]],
    min_support: float,
    min_confidence: float,
    max_length: int | None,
    all_rules: bool,
    limits: MiningLimits | None,
) -> AssociationResult:
    limits = limits or MiningLimits()
    checked_parameters(min_support, min_confidence, max_length)
    deadline = Deadline(limits.time_limit_s)
    baskets = checked(as_baskets(data), limits)
    lengths = np.bincount(baskets.basket, minlength=1)
    refuse_explosion(np.bincount(baskets.item), baskets.count, int(lengths.max()), min_support, max_length, limits)
    found = FoundItemsets(limits, deadline)
    projections = Projections(baskets, min_support)
    with contextlib.suppress(SearchEnded):  # found.partial_reason says which cap it was
        search(projections, found, max_length)
    itemsets = ItemsetTable.of_levels(
        baskets.items,
        baskets.count,
        [(np.sort(projections.item[members], axis=1), counts) for members, counts in found.levels()],
    )
    rules = rules_of(itemsets, min_confidence, all_rules=all_rules, limits=limits, deadline=deadline)
    reason = "; ".join(part for part in (found.partial_reason, rules.partial_reason) if part) or None
    return AssociationResult(
        method=method,
        engine=f"numpy bitmaps, {engine}",
        transactions=baskets.count,
        distinct_items=len(baskets.items),
        min_support=min_support,
        min_confidence=min_confidence,
        max_length=max_length,
        itemset_table=itemsets,
        rule_table=rules.table,
        rules_found=rules.found,
        rules_tried=rules.tried,
        partial=reason is not None,
        partial_reason=reason,
        parameters={"all_rules": all_rules, "correction": CORRECTION, "min_count": projections.min_count},
    )


def refuse_explosion(
    item_counts: npt.NDArray[np.int64],
    transactions: int,
    longest: int,
    min_support: float,
    max_length: int | None,
    limits: MiningLimits,
) -> None:
    """Raise ItemsetExplosion where a lower bound of the work is already beyond the limits.

    item_counts: baskets of each item that is frequent (others may be there too); longest: items of the longest basket.
    """
    counts = np.sort(item_counts)[::-1]
    min_count = smallest_count(transactions, min_support)
    frequent = int((counts >= min_count).sum())
    pairs = frequent * (frequent - 1) // 2
    if pairs > limits.max_candidate_pairs and max_length != 1:
        most = int((1 + (1 + 8 * limits.max_candidate_pairs) ** 0.5) / 2)
        why = f"{frequent:,} items are that frequent, {pairs:,} pairs of them, at most {limits.max_candidate_pairs:,}"
        raise ItemsetExplosion(min_support, why, (int(counts[most]) + 1) / transactions)
    if min_count == 1 and max_length is None and 2**longest - 1 > max(limits.max_itemsets, _HOPELESS):
        why = f"each subset of a single basket would be frequent, and one has {longest} items"
        raise ItemsetExplosion(min_support, why, min(2 / transactions, 1.0))


def checked_parameters(min_support: float, min_confidence: float, max_length: int | None) -> None:
    """Raise ParameterOutOfRange for the first that is wrong."""
    _fraction("min_support", min_support)
    _fraction("min_confidence", min_confidence)
    if max_length is not None and (isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1):
        raise ParameterOutOfRange("max_length", max_length, "a whole number of at least 1")


def _fraction(field: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ParameterOutOfRange(field, value, "a number above 0 and at most 1")
