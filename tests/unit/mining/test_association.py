"""Itemsets and rules equal those of mlxtend, on any baskets."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from smartgrid.mining import MiningLimits, apriori, fp_growth
from smartgrid.mining.errors import (
    BasketTooLong,
    ItemNotText,
    ItemsetExplosion,
    ItemsetLimitReached,
    MiningError,
    ParameterOutOfRange,
    TimeLimitReached,
)
from smartgrid.mining.results import AssociationResult
from smartgrid.mining.significance import fisher_one_sided

BASKETS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=7), min_size=1, max_size=30)
SUPPORTS = st.sampled_from([0.02, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9, 1.0])


def random_baskets(baskets: int, items: int, length: int, seed: int = 0) -> list[list[str]]:
    random = np.random.default_rng(seed)
    weight = 1 / np.arange(1, items + 1)
    return [
        [f"i{item:03}" for item in random.choice(items, size=size, p=weight / weight.sum())]
        for size in random.poisson(length, baskets)
    ]


def peer_itemsets(baskets: list[list[str]], min_support: float) -> dict[tuple[str, ...], float]:
    import pandas as pd
    from mlxtend.frequent_patterns import apriori as peer
    from mlxtend.preprocessing import TransactionEncoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = TransactionEncoder().fit(baskets)
        frame = pd.DataFrame(encoder.transform(baskets), columns=encoder.columns_)
        found = peer(frame, min_support=min_support, use_colnames=True)
    return {tuple(sorted(items)): support for items, support in zip(found["itemsets"], found["support"], strict=True)}


def itemsets_of(result: AssociationResult) -> dict[tuple[str, ...], float]:
    return {itemset.items: itemset.support for itemset in result.itemsets}


@settings(max_examples=60, deadline=None)
@given(BASKETS, SUPPORTS)
def test_both_searches_find_the_itemsets_of_mlxtend(baskets: list[list[str]], min_support: float) -> None:
    if not any(baskets):
        assert not fp_growth(baskets, min_support=min_support).itemsets
        return
    expected = peer_itemsets(baskets, min_support)
    assert itemsets_of(apriori(baskets, min_support=min_support)) == expected
    assert itemsets_of(fp_growth(baskets, min_support=min_support)) == expected


@settings(max_examples=100, deadline=None)
@given(BASKETS, SUPPORTS, st.integers(0, 2))
def test_itemsets_are_exactly_the_frequent_ones_and_their_flags_are_true(
    baskets: list[list[str]], min_support: float, max_length: int
) -> None:
    sets = [frozenset(basket) for basket in baskets]
    universe = sorted(frozenset().union(*sets))
    counts = {}
    for bits in range(1, 1 << len(universe)):
        items = tuple(item for place, item in enumerate(universe) if bits >> place & 1)
        count = sum(frozenset(items) <= basket for basket in sets)
        if count / len(sets) >= min_support and (not max_length or len(items) <= max_length):
            counts[items] = count
    for method in (apriori, fp_growth):
        result = method(baskets, min_support=min_support, max_length=max_length or None)
        assert {itemset.items: itemset.count for itemset in result.itemsets} == counts
        for itemset in result.itemsets:
            larger = [count for items, count in counts.items() if set(items) > set(itemset.items)]
            assert itemset.maximal == (not larger)
            assert itemset.closed == (itemset.count not in larger)


def test_a_larger_set_of_baskets_gives_the_same_by_both_searches_and_mlxtend() -> None:
    baskets = random_baskets(3000, 60, 9)
    first, second = apriori(baskets, min_support=0.02), fp_growth(baskets, min_support=0.02)
    assert len(first.itemsets) > 300
    assert first.itemsets == second.itemsets
    assert first.rules == second.rules
    assert itemsets_of(first) == peer_itemsets(baskets, 0.02)


def test_rules_and_their_measures_are_those_of_mlxtend() -> None:
    import pandas as pd
    from mlxtend.frequent_patterns import apriori as peer
    from mlxtend.frequent_patterns import association_rules
    from mlxtend.preprocessing import TransactionEncoder

    baskets = random_baskets(400, 12, 6)
    encoder = TransactionEncoder().fit(baskets)
    frame = pd.DataFrame(encoder.transform(baskets), columns=encoder.columns_)
    expected = association_rules(
        peer(frame, min_support=0.05, use_colnames=True), metric="confidence", min_threshold=0.6
    )
    result = fp_growth(baskets, min_support=0.05, min_confidence=0.6, all_rules=True)
    ours = {(rule.antecedent, rule.consequent): rule for rule in result.rules}
    assert len(ours) == len(expected) == result.rules_found > 50
    for row in expected.itertuples():
        rule = ours[tuple(sorted(row.antecedents)), tuple(sorted(row.consequents))]
        conviction = float("inf") if rule.conviction is None else rule.conviction
        figures = (rule.support, rule.confidence, rule.lift, rule.leverage, conviction)
        assert figures == pytest.approx((row.support, row.confidence, row.lift, row.leverage, row.conviction))


def test_p_values_are_those_of_fishers_exact_test() -> None:
    random = np.random.default_rng(1)
    for transactions in (5, 40, 1534):
        antecedent = random.integers(1, transactions + 1, 40)
        consequent = random.integers(1, transactions + 1, 40)
        low = np.maximum(0, antecedent + consequent - transactions)
        both = random.integers(low, np.minimum(antecedent, consequent) + 1)
        ours = fisher_one_sided(both, antecedent, consequent, transactions)
        for i in range(40):
            table = [
                [both[i], antecedent[i] - both[i]],
                [consequent[i] - both[i], transactions - antecedent[i] - consequent[i] + both[i]],
            ]
            assert ours[i] == pytest.approx(fisher_exact(table, alternative="greater")[1], rel=1e-8, abs=1e-12)


def test_q_values_are_corrected_for_all_rules_tried() -> None:
    result = fp_growth(random_baskets(500, 10, 4), min_support=0.02, min_confidence=0.3, all_rules=True)
    tried = sum(2 ** len(itemset.items) - 2 for itemset in result.itemsets)
    assert result.rules_tried == tried > result.rules_found
    ranked = sorted(result.rules, key=lambda rule: rule.p_value)
    for rank, rule in enumerate(ranked, start=1):
        later = min(other.p_value * tried / place for place, other in enumerate(ranked[rank - 1 :], start=rank))
        assert rule.q_value == pytest.approx(min(later, 1.0))


@settings(max_examples=40, deadline=None)
@given(BASKETS)
def test_a_rule_is_redundant_exactly_when_a_simpler_one_says_as_much(baskets: list[list[str]]) -> None:
    result = fp_growth(baskets, min_support=0.1, min_confidence=0.01, all_rules=True)
    closed = {itemset.items for itemset in result.itemsets if itemset.closed}
    for rule in result.rules:
        simpler = any(
            other.consequent == rule.consequent
            and set(other.antecedent) < set(rule.antecedent)
            and other.confidence >= rule.confidence
            for other in result.rules
        )
        whole = tuple(sorted(rule.antecedent + rule.consequent))
        assert rule.redundant == (simpler or whole not in closed)
    fewer = fp_growth(baskets, min_support=0.1, min_confidence=0.01)
    assert list(fewer.rules) == [rule for rule in result.rules if not rule.redundant]


@settings(max_examples=40, deadline=None)
@given(BASKETS, st.integers(1, 40))
def test_a_partial_result_says_so_and_has_every_subset_of_its_itemsets(baskets: list[list[str]], most: int) -> None:
    whole = {itemset.items: itemset.count for itemset in apriori(baskets, min_support=0.05).itemsets}
    for method in (apriori, fp_growth):
        result = method(baskets, min_support=0.05, limits=MiningLimits(max_itemsets=most))
        found = {itemset.items: itemset.count for itemset in result.itemsets}
        assert result.partial == (len(whole) > most)
        assert (result.partial_reason is None) == (not result.partial)
        assert len(found) == min(most, len(whole))
        assert found.items() <= whole.items()
        for items in found:
            for item in items[: len(items) if len(items) > 1 else 0]:
                assert tuple(other for other in items if other != item) in found


def test_a_cap_is_an_error_when_no_partial_result_is_wanted() -> None:
    baskets = random_baskets(300, 30, 8)
    with pytest.raises(ItemsetLimitReached) as caught:
        fp_growth(baskets, min_support=0.02, limits=MiningLimits(max_itemsets=20, on_limit="error"))
    assert caught.value.field == "max_itemsets"
    with pytest.raises(TimeLimitReached):
        apriori(baskets, min_support=0.02, limits=MiningLimits(time_limit_s=1e-9, on_limit="error"))
    late = fp_growth(baskets, min_support=0.02, limits=MiningLimits(time_limit_s=1e-9))
    assert late.partial
    assert "time_limit_s" in str(late.partial_reason)


def test_ten_thousand_items_at_a_tiny_support_are_refused_before_any_work() -> None:
    random = np.random.default_rng(0)
    baskets = [[str(item) for item in random.integers(0, 10_000, 12)] for _ in range(10_000)]
    for method in (apriori, fp_growth):
        with pytest.raises(ItemsetExplosion) as caught:
            method(baskets, min_support=0.0001)
        assert caught.value.field == "min_support"
        assert caught.value.smallest_support is not None
        method(baskets, min_support=caught.value.smallest_support, limits=MiningLimits(time_limit_s=20))


def test_a_single_long_basket_at_a_count_of_one_is_refused() -> None:
    with pytest.raises(ItemsetExplosion):
        fp_growth([[str(item) for item in range(40)], ["0"]], min_support=0.01)


@pytest.mark.parametrize(
    ("baskets", "parameters", "error", "field"),
    [
        ([["a"]], {"min_support": -0.1}, ParameterOutOfRange, "min_support"),
        ([["a"]], {"min_support": 0}, ParameterOutOfRange, "min_support"),
        ([["a"]], {"min_support": float("nan")}, ParameterOutOfRange, "min_support"),
        ([["a"]], {"min_support": 0.5, "min_confidence": 1.5}, ParameterOutOfRange, "min_confidence"),
        ([["a"]], {"min_support": 0.5, "max_length": 0}, ParameterOutOfRange, "max_length"),
        ([["a"], ["b", 3]], {"min_support": 0.5}, ItemNotText, "basket 1"),
        ([["a"], ["b", None]], {"min_support": 0.5}, ItemNotText, "basket 1"),
        ([["a"], [["b"]]], {"min_support": 0.5}, ItemNotText, "basket 1"),
        ([["a"], "bc"], {"min_support": 0.5}, ItemNotText, "basket 1"),
        ([["a", ""]], {"min_support": 0.5}, ItemNotText, "basket 0"),
        ([["a"], [str(item) for item in range(5000)]], {"min_support": 0.5}, BasketTooLong, "basket 1"),
        ([], {"min_support": 0.5}, MiningError, "data"),
    ],
)
def test_bad_input_is_an_error_that_names_field_and_limit(
    baskets: list[list[str]], parameters: dict[str, float], error: type[MiningError], field: str
) -> None:
    with pytest.raises(error) as caught:
        fp_growth(baskets, **parameters)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert caught.value.limit
    assert caught.value.exit_code == 2
