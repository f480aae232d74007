from __future__ import annotations

import numpy as np
import pytest

from smartgrid.mining.association import apriori, fp_growth
from smartgrid.mining.compare import align, moves, rule_changes, zone_clusters
from smartgrid.mining.event_rules import _agree
from smartgrid.mining.run_errors import SearchesDisagree

HOURS = np.arange(24)


def bump(hour: int) -> np.ndarray:
    return 1 + 0.5 * np.exp(-(((HOURS - hour) / 3) ** 2))


def test_letters_stay_with_their_shapes_whatever_the_order() -> None:
    previous = {"A": bump(8), "B": bump(19), "C": bump(13)}
    now = np.stack([bump(13) + 0.02, bump(3), bump(8)])
    assert align(previous, now) == (["C", "D", "A"], [True, False, True])


def test_without_a_run_before_letters_start_at_a() -> None:
    assert align({}, np.stack([bump(8), bump(19)])) == (["A", "B"], [False, False])


def test_a_letter_that_went_is_not_given_to_another_shape() -> None:
    assert align({"A": bump(8), "B": bump(19)}, np.stack([bump(19), bump(3)]))[0] == ["B", "C"]


def test_a_zone_between_two_clusters_does_not_flicker() -> None:
    shares = np.array([[0.46, 0.54], [0.4, 0.6], [0.0, 0.0]])
    found = zone_clusters(["Z1", "Z2", "Z3"], ["A", "B"], shares, {"Z1": "A", "Z2": "A"})
    assert found == {"Z1": "A", "Z2": "B", "Z3": None}


def shares(**zones: float) -> dict[str, dict[str, float]]:
    """Share of days in B; the rest is in A."""
    return {zone: {"A": 1 - share, "B": share} for zone, share in zones.items()}


def test_a_zone_that_goes_its_own_way_is_told_from_the_season() -> None:
    before = dict.fromkeys(("Z1", "Z2", "Z3", "Z4", "Z5"), "A")
    recent = shares(Z1=0.9, Z2=0.1, Z3=0.2, Z4=0.1, Z5=0.1)
    whole = shares(Z1=0.3, Z2=0.3, Z3=0.3, Z4=0.3, Z5=0.3)
    [move] = moves(before, before | {"Z1": "B"}, recent, whole)
    assert (move.zone, move.before, move.now, move.common) == ("Z1", "A", "B", False)


def test_what_most_zones_do_together_is_the_season() -> None:
    zones = ("Z1", "Z2", "Z3", "Z4")
    recent, whole = shares(**dict.fromkeys(zones, 0.9)), shares(**dict.fromkeys(zones, 0.4))
    found = moves(dict.fromkeys(zones, "A"), dict.fromkeys(zones, "B"), recent, whole)
    assert [move.common for move in found] == [True] * 4


def test_a_zone_that_is_always_ahead_of_the_others_moves_with_the_season() -> None:
    before = dict.fromkeys(("Z1", "Z2", "Z3", "Z4"), "A")
    recent = shares(Z1=0.6, Z2=0.4, Z3=0.4, Z4=0.4)
    whole = shares(Z1=0.5, Z2=0.3, Z3=0.3, Z4=0.3)
    [move] = moves(before, before | {"Z1": "B"}, recent, whole)
    assert move.common is True


def test_the_only_zone_of_a_grid_can_change() -> None:
    [move] = moves({"Z1": "A"}, {"Z1": "B"}, shares(Z1=1.0), shares(Z1=0.1))
    assert move.common is False


def test_rules_that_appear_or_go_say_their_confidence_before_and_now() -> None:
    one, other = (("cold",), ("peak",)), (("hot",), ("peak",))
    support = {("cold",): 0.1, ("cold", "peak"): 0.02, ("hot",): 0.1, ("hot", "peak"): 0.048, ("peak",): 0.2}
    changes = rule_changes({other: 0.5}, {one: 0.6}, support, support)
    assert [(change.change, change.confidence_before, change.confidence_now) for change in changes] == [
        ("appeared", pytest.approx(0.2), 0.6),
        ("went", 0.5, pytest.approx(0.48)),
    ]
    # The second has only crossed a threshold.
    assert [change.matters for change in changes] == [True, False]
    assert changes[0].text == "cold -> peak (confidence 20% -> 60%)"


def test_searches_that_differ_are_an_error() -> None:
    baskets = [["a", "b"], ["a"], ["b", "c"]]
    _agree(apriori(baskets, min_support=0.3), fp_growth(baskets, min_support=0.3))
    with pytest.raises(SearchesDisagree, match="3 itemset"):
        _agree(apriori(baskets, min_support=0.3), fp_growth(baskets, min_support=0.5))
