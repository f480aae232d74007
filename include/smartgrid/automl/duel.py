"""Does a challenger win against the model in service?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from smartgrid.automl.champion import Champion
from smartgrid.automl.cost import Cost
from smartgrid.evaluation.backtest import system_total
from smartgrid.evaluation.bootstrap import Comparison, compare
from smartgrid.evaluation.gate_policy import GatePolicy
from smartgrid.evaluation.gates import Duel


@dataclass(frozen=True, slots=True)
class DuelResult:
    """The outcome and the comparisons behind it: with the refitted recipe, and with the model as it serves, on the
    system total and on the mean error of the zones."""

    duel: Duel
    refitted: Comparison
    served: Comparison | None
    served_by_zone: Comparison | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "won": self.duel.won,
            "reason": self.duel.reason,
            "refitted": self.refitted.as_dict(),
            "served": self.served.as_dict() if self.served else None,
            "served_by_zone": self.served_by_zone.as_dict() if self.served_by_zone else None,
        }


def duel(challenger: pl.DataFrame, cost: Cost, champion: Champion, policy: GatePolicy, seed: int) -> DuelResult:
    """Whether the challenger wins: better with confidence, or equal and cheaper, or the model in service has aged.

    Better and equal are said of the champion's recipe, refitted on the same days as the challenger's. It has aged where
    the challenger is better than it as it serves, on the days after its data: on the system total, or, with an equal
    recipe, on the mean error of the zones. A zone that has changed drowns in the total.

    Args:
        challenger: its backtest of the test window, by zone.
    """
    assert champion.refitted is not None
    total = system_total(challenger)
    method = compare(total, system_total(champion.refitted), seed=seed, confidence=policy.confidence)
    served, by_zone = None, None
    if champion.served is not None:
        by_zone = compare(challenger, champion.served, seed=seed, confidence=policy.confidence)
        served = compare(total, system_total(champion.served), seed=seed, confidence=policy.confidence)
    name = f"version {champion.version} ({champion.trainer})"

    def outcome(won: bool, reason: str, by: Comparison = method) -> DuelResult:
        return DuelResult(Duel(won, by.difference, reason), method, served, by_zone)

    if method.outcome == "better":
        return outcome(True, f"better than {name}: {_numbers(method)}")
    if served is not None and served.outcome == "better":
        days = f"on the {served.days} days after its data"
        return outcome(True, f"better than {name} as it serves, {days}: {_numbers(served)}", served)
    if method.outcome == "worse":
        return outcome(False, f"worse than {name}: {_numbers(method)}")
    if method.outcome == "undecided":
        return outcome(False, f"{method.days} common days with {name} are too few to tell")
    if by_zone is not None and by_zone.outcome == "better":
        reason = f"equal to the method of {name}, and better than it as it serves on the mean of the zones"
        return outcome(True, f"{reason}: {_numbers(by_zone)}", by_zone)
    assert method.difference is not None
    assert method.other is not None
    if method.difference > method.other * policy.ties.equal_within_percent / 100:
        return outcome(False, f"not better than {name}: {_numbers(method)}")
    costs = _costs(cost, champion.cost)
    if cost.cheaper_than(champion.cost, policy.ties):
        return outcome(True, f"equal to {name} and cheaper: {_numbers(method)}; {costs}")
    return outcome(False, f"equal to {name}: {_numbers(method)}; {costs}, not cheaper")


def _numbers(found: Comparison) -> str:
    unit = "%" if found.metric == "mape_percent" else "kW"
    text = f"{found.challenger:.2f} {unit} against {found.other:.2f} {unit}"
    return text if found.low is None else f"{text}, difference in [{found.low:.2f}, {found.high:.2f}]"


def _costs(own: Cost, other: Cost) -> str:
    def said(cost: Cost) -> str:
        named = zip(("MB", "ms a row", "CPU s"), cost.parts, strict=True)
        return ", ".join(f"{value:.3g} {unit}" for unit, value in named if value is not None) or "unknown cost"

    return f"{said(own)} against {said(other)}"
