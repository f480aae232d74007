"""Association rules of frequent itemsets, tested and pruned.

Measures as in Agrawal and Srikant 1994 (support, confidence), Brin et al. 1997 (lift, conviction) and
Piatetsky-Shapiro 1991 (leverage).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.mining.itemset_table import ItemsetTable
from smartgrid.mining.limits import Deadline, MiningLimits
from smartgrid.mining.rule_table import RuleTable
from smartgrid.mining.significance import corrected, fisher_one_sided

_Integers = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
# Larger itemsets have more splits than anybody reads (2^20 and up); the search for rules stops before them.
_LARGEST_ITEMSET = 20


@dataclass(frozen=True)
class RulesFound:
    """`table` without the redundant rules unless all were asked for; `found` counts both, `tried` those of any
    confidence."""

    table: RuleTable
    found: int
    tried: int
    partial_reason: str | None


@dataclass(frozen=True)
class _Level:
    """Rules over min_confidence from the itemsets of one size."""

    members: _Integers
    mask: _Integers
    count: _Integers
    antecedent_count: _Integers
    consequent_count: _Integers
    redundant: npt.NDArray[np.bool_]


def rules_of(
    table: ItemsetTable, min_confidence: float, *, all_rules: bool, limits: MiningLimits, deadline: Deadline
) -> RulesFound:
    """The rules with confidence >= min_confidence.

    A rule is redundant when its itemset is not closed (the rule with the missing items in its consequent has the same
    support and confidence), or when a rule with fewer items in the antecedent and the same consequent has at least its
    confidence (Bayardo, Agrawal and Gunopulos 1999: no improvement).
    """
    parts: list[_Level] = []
    tried = found = 0
    reason: str | None = None
    # best[mask][row]: largest confidence of any rule with this consequent and part of this antecedent, one size before.
    best: list[_Floats] = []
    for size in range(2, len(table.levels) + 1):
        splits = (1 << size) - 2
        if size > _LARGEST_ITEMSET or splits * len(table.levels[size - 1].counts) * 8 > limits.memory_mb * 250_000:
            reason = f"memory_mb: rules of itemsets of {size} items and more were not made"
            break
        level, best = _rules_of_level(table, size, min_confidence, best)
        tried += splits * len(table.levels[size - 1].counts)
        found += len(level.mask)
        parts.append(level)
        if found > limits.max_rules:
            reason = f"max_rules: more than {limits.max_rules:,} rules; those of larger itemsets were not made"
            break
        if deadline.passed():
            reason = f"time_limit_s: {deadline.limit_s:g} s were over; rules of larger itemsets were not made"
            break
    return RulesFound(_table(table, parts, tried, all_rules=all_rules), found, tried, reason)


def _rules_of_level(
    table: ItemsetTable, size: int, min_confidence: float, best_before: list[_Floats]
) -> tuple[_Level, list[_Floats]]:
    level = table.levels[size - 1]
    full = (1 << size) - 1
    counts = _subset_counts(table, size)
    without = table.subset_rows[size - 2]
    not_closed = ~table.closed[size - 1]
    best: list[_Floats] = [np.empty(0)] * (full + 1)
    rows, masks, redundant = [], [], []
    for mask in range(1, full):
        confidence = level.counts / counts[mask]
        simpler = np.zeros(len(confidence))
        if mask & (mask - 1):
            for place in range(size):
                if mask >> place & 1:
                    low = mask & ((1 << place) - 1)
                    shorter = low | (mask >> (place + 1)) << place
                    np.maximum(simpler, best_before[shorter][without[:, place]], out=simpler)
        best[mask] = np.maximum(confidence, simpler)
        row = np.flatnonzero(confidence >= min_confidence)
        if len(row):
            rows.append(row)
            masks.append(np.full(len(row), mask, dtype=np.int64))
            redundant.append((simpler[row] >= confidence[row]) | not_closed[row])
    if not rows:
        nothing = np.empty(0, dtype=np.int64)
        return _Level(np.empty((0, size), np.int64), nothing, nothing, nothing, nothing, nothing.astype(bool)), best
    row, mask_of = np.concatenate(rows), np.concatenate(masks)
    every = np.stack(counts[1:])
    rules = _Level(
        level.members[row],
        mask_of,
        level.counts[row],
        every[mask_of - 1, row],
        every[full - mask_of - 1, row],
        np.concatenate(redundant),
    )
    return rules, best


def _subset_counts(table: ItemsetTable, size: int) -> list[_Integers]:
    """For each mask of places, the counts of that subset of each itemset of `size` items."""
    members = table.levels[size - 1].members
    node: list[_Integers] = [np.zeros(len(members), dtype=np.int64)]
    counts: list[_Integers] = [np.empty(0, dtype=np.int64)]
    for mask in range(1, 1 << size):
        place = mask.bit_length() - 1
        depth = mask.bit_count() - 1
        child = table.child(depth, node[mask ^ (1 << place)], members[:, place])
        node.append(child)
        counts.append(table.levels[depth].counts[child])
    return counts


def _table(table: ItemsetTable, parts: list[_Level], tried: int, *, all_rules: bool) -> RuleTable:
    members = [row for part in parts for row in part.members]
    mask, count, with_antecedent, with_consequent = (
        np.concatenate([np.empty(0, dtype=np.int64), *(getattr(part, name) for part in parts)])
        for name in ("mask", "count", "antecedent_count", "consequent_count")
    )
    redundant = np.concatenate([np.empty(0, dtype=bool), *(part.redundant for part in parts)])
    p_value = fisher_one_sided(count, with_antecedent, with_consequent, table.transactions)
    q_value = corrected(p_value, tried)
    total = table.transactions
    support, confidence = count / total, count / with_antecedent
    antecedent, consequent = with_antecedent / total, with_consequent / total
    with np.errstate(divide="ignore", invalid="ignore"):
        conviction = np.where(count == with_antecedent, np.inf, (1 - consequent) / (1 - confidence))
    lift = confidence / consequent
    kept = np.arange(len(mask)) if all_rules else np.flatnonzero(~redundant)
    order = kept[np.lexsort((mask[kept], -count[kept], -lift[kept], -confidence[kept]))]
    return RuleTable(
        names=table.names,
        members=[members[row] for row in order.tolist()],
        mask=mask[order],
        count=count[order],
        support=support[order],
        confidence=confidence[order],
        lift=lift[order],
        leverage=(support - antecedent * consequent)[order],
        conviction=conviction[order],
        p_value=p_value[order],
        q_value=q_value[order],
        redundant=redundant[order],
    )
