"""Gates refuse what they name, say why, and a wrong file is refused with the place of the mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from smartgrid.evaluation.gate_policy import PACKAGED, BadGates, load_policy
from smartgrid.evaluation.gates import Duel, Facts, check, passes

PLAUSIBLE = {"missing_rows": 0.0, "negative_rows": 0.0, "constant_zones": 0.0, "jump_ratio": 1.0}


def metrics(mape: float | None, mase: float | None = 0.5, days: int = 56) -> dict[str, Any]:
    return {"mape_percent": mape, "mase": mase, "days": days}


def facts(champion: dict[str, Any] | None = None, **winner: Any) -> Facts:
    """A winner at 3 % that beats the naives, with further slices by name (`zone_A` for `zone:A`)."""
    own = {"system": metrics(3.0)} | {name.replace("_", ":", 1): row for name, row in winner.items()}
    scores = {
        "winner": own | {"plausibility": PLAUSIBLE},
        "daily_naive": {"system": metrics(6.0, 1.0)},
        "weekly_naive": {"system": metrics(9.0, 1.5)},
    }
    if champion is not None:
        scores["champion"] = {name.replace("_", ":", 1): row for name, row in champion.items()}
    return Facts(scores)


def failed(found: Facts) -> list[tuple[str, str]]:
    return [(result.gate, result.slice) for result in check(load_policy(), found) if result.refuses]


def test_the_packaged_gates_are_valid_and_each_has_an_owner_and_a_reason() -> None:
    policy = load_policy()
    assert {gate.severity for gate in policy.gates} == {"critical", "warning"}
    assert all(gate.owner and gate.reason for gate in policy.gates)


def test_without_a_champion_beating_the_naive_forecasts_is_enough() -> None:
    results = check(load_policy(), facts())
    assert passes(results)
    against = [result for result in results if result.gate == "beats_champion"]
    assert (against[0].passed, against[0].note) == (None, "there is no champion to compare with")


@pytest.mark.parametrize(("mape", "mase"), [(6.0, 0.5), (7.0, 0.5), (3.0, 1.0), (None, 0.5)])
def test_a_draw_with_a_naive_forecast_or_no_score_is_refused(mape: float | None, mase: float) -> None:
    assert not passes(check(load_policy(), facts(system=metrics(mape, mase))))


def test_a_zone_beyond_its_tolerance_is_refused_and_one_within_is_not() -> None:
    champion = {"system": metrics(4.0), "zone_A": metrics(10.0), "zone_B": metrics(10.0)}
    assert failed(facts(champion, zone_A=metrics(11.5), zone_B=metrics(11.51))) == [("no_zone_worse", "zone:B")]


def test_a_small_error_may_grow_by_the_absolute_tolerance() -> None:
    champion = {"system": metrics(4.0), "zone_A": metrics(1.0)}
    assert failed(facts(champion, zone_A=metrics(1.5))) == []
    assert failed(facts(champion, zone_A=metrics(1.6))) == [("no_zone_worse", "zone:A")]


def test_a_slice_of_few_days_or_unknown_to_the_champion_is_not_judged() -> None:
    champion = {"system": metrics(4.0), "day_holiday": metrics(1.0, days=2), "zone_A": metrics(1.0)}
    found = facts(champion, day_holiday=metrics(9.0, days=2), zone_A=metrics(9.0), zone_New=metrics(50.0))
    found = Facts(found.scores, None, frozenset({"zone:A"}))
    results = {(row.gate, row.slice): row for row in check(load_policy(), found)}
    assert results["no_kind_of_day_worse", "day:holiday"].note == "2 of 4 days"
    assert results["no_zone_worse", "zone:A"].note == "the champion does not know this zone"
    assert results["no_zone_worse", "zone:New"].note == "champion has no score here"
    assert passes(list(results.values()))


def test_a_lost_duel_refuses_with_its_reason() -> None:
    lost = Facts(facts().scores, Duel(False, 0.1, "worse than version 3"))
    result = next(row for row in check(load_policy(), lost) if row.gate == "beats_champion")
    assert (result.refuses, result.note, result.value) == (True, "worse than version 3", 0.1)


@pytest.mark.parametrize("metric", ["missing_rows", "negative_rows", "constant_zones", "jump_ratio"])
def test_an_impossible_forecast_is_refused(metric: str) -> None:
    found = facts()
    found.scores["winner"]["plausibility"] = PLAUSIBLE | {metric: 100.0}
    assert [gate for gate, _ in failed(found)] == [
        {"missing_rows": "no_missing_forecast", "negative_rows": "no_negative_load"}.get(metric)
        or {"constant_zones": "no_flat_forecast", "jump_ratio": "no_leap"}[metric]
    ]


def test_a_warning_does_not_refuse() -> None:
    found = facts(quantiles={"coverage_percent": 10.0})
    results = check(load_policy(), found)
    assert [row.gate for row in results if row.passed is False] == ["interval_covers"]
    assert passes(results)


def test_no_naive_forecast_to_compare_with_is_no_proof() -> None:
    nothing = Facts({"winner": {"system": metrics(1.0), "plausibility": PLAUSIBLE}})
    assert not passes(check(load_policy(), nothing))


def changed(tmp_path: Path, **changes: Any) -> Path:
    content = yaml.safe_load(PACKAGED.read_text())
    content["gates"][0] |= changes
    path = tmp_path / "gates.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"severity": "fatal"}, "gates beats_daily_naive_mape severity"),
        ({"metric": "accuracy"}, "gates beats_daily_naive_mape metric"),
        ({"limits": 3}, "gates beats_daily_naive_mape limits"),
        ({"comparison": "at_most"}, "at_most needs limit"),
        ({"reference": None}, "better_than needs reference"),
        ({"owner": ""}, "owner"),
        ({"id": "no_leap"}, "gates with the same id: no_leap"),
    ],
)
def test_a_wrong_gate_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadGates) as caught:
        load_policy(changed(tmp_path, **changes))
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "- a\n- b", "gates: [", "version: 2"])
def test_a_file_that_holds_no_gates_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gates.yaml"
    path.write_text(text)
    with pytest.raises(BadGates):
        load_policy(path)
    with pytest.raises(BadGates):
        load_policy(tmp_path / "missing.yaml")
