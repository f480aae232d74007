"""Rules between grid events: Apriori and FP-Growth on the transactions, sorted into news and what was known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from smartgrid.mining import engine
from smartgrid.mining.events_vocabulary import Vocabulary
from smartgrid.mining.limits import MiningLimits
from smartgrid.mining.results import AssociationResult
from smartgrid.mining.run_errors import NoEvents, SearchesDisagree
from smartgrid.mining.transactions import Transactions, relation_of_rule, split_item

Json = dict[str, Any]
# Sets of four events and more repeat what their pairs and triples say.
MAX_LENGTH = 3
# The store keeps so many of each run: those with the largest support, and the strongest rules.
KEPT_ITEMSETS, KEPT_RULES = 2_000, 1_000


def find_rules(
    transactions: Transactions,
    vocabulary: Vocabulary,
    *,
    min_support: float,
    min_confidence: float,
    max_q_value: float,
    min_days: int,
    twins: Mapping[str, str] | None = None,
    max_length: int = MAX_LENGTH,
    limits: MiningLimits | None = None,
) -> Json:
    """Itemsets, rules and a summary, as they are stored.

    Both searches run, and have to agree. A rule is `reported` when it is not true by construction, its lift is above 1,
    its q value at most `max_q_value`, and it rests on at least `min_days` different days (zones share each day's
    weather: many zone-days of one storm are one observation).

    Raises:
        NoEvents: all transactions are empty. SearchesDisagree: Apriori and FP-Growth differ.
    """
    if transactions.empty == len(transactions):
        raise NoEvents("the window")
    baskets = [list(items) for items in transactions.items]
    options: dict[str, Any] = {
        "min_support": min_support, "min_confidence": min_confidence, "max_length": max_length, "limits": limits,
        "all_rules": True,
    }  # fmt: skip
    found = engine.fp_growth(baskets, **options)
    _agree(engine.apriori(baskets, **options), found)
    rules = _not_redundant([_rule(rule, transactions, vocabulary, twins) for rule in found.rules])
    for rule in rules:
        rule["reported"] = (
            rule["relation"] != "by construction"
            and rule["lift"] > 1
            and rule["q_value"] <= max_q_value
            and rule["days"] >= min_days
        )
    # What is reported first: it must not fall under the cap.
    rules.sort(key=lambda rule: (not rule["reported"], -rule["lift"], -rule["confidence"], rule["antecedent"]))
    itemsets = sorted(found.itemsets, key=lambda one: (-one.support, one.items))[:KEPT_ITEMSETS]
    return {
        "itemsets": [one.as_json() for one in itemsets],
        "rules": rules[:KEPT_RULES],
        "summary": {
            "transactions": found.transactions,
            "empty_transactions": transactions.empty,
            "place": transactions.place,
            "window_hours": transactions.window_hours,
            "distinct_items": found.distinct_items,
            "itemsets": len(found.itemsets),
            "rules_found": found.rules_found,
            "rules_tried": found.rules_tried,
            "rules": len(rules),
            "reported": sum(1 for rule in rules if rule["reported"]),
            "relations": dict(Counter(rule["relation"] for rule in rules)),
            "partial": found.partial,
            "partial_reason": found.partial_reason,
            "engine": found.engine,
            "searches_agree": True,
            "max_length": max_length,
            "min_support": min_support,
            "min_confidence": min_confidence,
            "max_q_value": max_q_value,
            "min_days": min_days,
            "events": _counts(transactions),
        },
    }


def _agree(apriori: AssociationResult, fp_growth: AssociationResult) -> None:
    one = {(itemset.items, itemset.count) for itemset in apriori.itemsets}
    other = {(itemset.items, itemset.count) for itemset in fp_growth.itemsets}
    # A cap may end the two searches at different places.
    if one != other and not apriori.partial and not fp_growth.partial:
        raise SearchesDisagree(len(one - other), len(other - one))


def _not_redundant(rules: list[Json]) -> list[Json]:
    """Rules without the redundant ones. What is true by construction makes no other rule redundant: outage -> peak
    must not vanish because outage -> peak + cause=storm is as sure."""
    by_antecedent: dict[frozenset[str], list[Json]] = {}
    for rule in rules:
        if rule["relation"] != "by construction":
            by_antecedent.setdefault(frozenset(rule["antecedent"]), []).append(rule)

    def said_by_another(rule: Json) -> bool:
        antecedent, consequent = rule["antecedent"], set(rule["consequent"])
        simpler = (frozenset(part) for size in range(1, len(antecedent) + 1) for part in combinations(antecedent, size))
        return any(
            other is not rule and consequent <= set(other["consequent"]) and other["confidence"] >= rule["confidence"]
            for part in simpler
            for other in by_antecedent.get(part, ())
        )

    return [
        rule
        for rule in rules
        if not rule["redundant"] or (rule["relation"] != "by construction" and not said_by_another(rule))
    ]


def _rule(rule: Any, transactions: Transactions, vocabulary: Vocabulary, twins: Mapping[str, str] | None) -> Json:
    relation, why = relation_of_rule(rule, vocabulary, twins)
    where = transactions.having([*rule.antecedent, *rule.consequent])
    days = sorted({day for place in where if (day := transactions.days[place])})
    told: Json = rule.as_json()
    return told | {
        "relation": relation,
        "why": why,
        "days": len(days),
        "places": len({transactions.places[place] for place in where}),
        "last_day": str(days[-1]) if days else None,
    }


def _counts(transactions: Transactions) -> Json:
    """Transactions by event, most frequent first, whichever the zone."""
    counted: Counter[str] = Counter()
    for items in transactions.items:
        counted.update({split_item(item)[0] for item in items})
    return dict(counted.most_common(40))
