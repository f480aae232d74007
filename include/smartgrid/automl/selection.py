"""Choose the winner on the selection window, which neither a search nor the final judgement sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from smartgrid.automl.cost import Cost
from smartgrid.automl.ensemble import ENSEMBLE, finalists, mean_table, stack_weights
from smartgrid.evaluation.backtest import system_total
from smartgrid.evaluation.bootstrap import Comparison, compare
from smartgrid.evaluation.gate_policy import GatePolicy, Ties


@dataclass(frozen=True, slots=True)
class Mix:
    """An ensemble: its members, their weights, and whether it is the `mean` or a `stack`."""

    members: list[str]
    weights: list[float]
    kind: str
    taken: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The `winner`, why every other candidate is not (`reasons`), and the comparisons with numbers."""

    winner: str
    reasons: dict[str, str] = field(default_factory=dict)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    mix: Mix | None = None


def choose(
    tables: dict[str, pl.DataFrame],
    costs: dict[str, Cost],
    levels: pl.DataFrame,
    policy: GatePolicy,
    seed: int,
) -> Selection | None:
    """The winner by the error of the system total on `tables`; None where no candidate has an error at all.

    The smallest error leads. Who cannot be told from the leader with confidence is in a tie: a candidate that is too
    big or too slow loses it, and between errors that are practically the same the cheaper one wins. The ensemble is
    taken only if it is better than the leader with confidence.

    Args:
        tables: backtests on the selection window alone, by candidate.
        levels: zone, target_time, level_kw.
    """
    totals = {name: system_total(table) for name, table in tables.items()}
    errors = {name: error for name, total in totals.items() if (error := _error(total, policy, seed)) is not None}
    if not errors:
        return None
    leader = min(errors, key=lambda name: (errors[name], name))
    duels = {
        name: compare(totals[name], totals[leader], seed=seed, confidence=policy.confidence)
        for name in sorted(errors)
        if name != leader
    }
    winner = _break_ties(leader, errors, duels, costs, policy.ties)
    reasons = {name: _reason(name, leader, winner, duels, costs, policy.ties) for name in errors if name != winner}
    reasons |= {name: "no forecast on the selection window" for name in tables if name not in errors}
    comparisons = [{"candidate": name, "against": leader, **duel.as_dict()} for name, duel in duels.items()]
    mix, tested = _mix(tables, errors, leader, levels, policy, seed)
    if mix is not None:
        comparisons += [{"candidate": f"{ENSEMBLE} ({kind})", "against": leader, **d.as_dict()} for kind, d in tested]
        if mix.taken:
            reasons[winner] = f"the {mix.kind} of {' and '.join(mix.members)} is better with confidence"
            winner = ENSEMBLE
        else:
            reasons[ENSEMBLE] = mix.reason
    return Selection(winner, reasons, comparisons, mix)


def _error(total: pl.DataFrame, policy: GatePolicy, seed: int) -> float | None:
    return compare(total, total, seed=seed, confidence=policy.confidence, resamples=1).challenger


def _break_ties(
    leader: str, errors: dict[str, float], duels: dict[str, Comparison], costs: dict[str, Cost], ties: Ties
) -> str:
    tied = [leader, *(name for name, duel in duels.items() if duel.outcome == "equal")]
    tied = [name for name in tied if not costs[name].over(ties)] or tied
    tied.sort(key=lambda name: (errors[name], name))
    best = tied[0]
    near = [name for name in tied if errors[name] <= errors[best] * (1 + ties.equal_within_percent / 100)]
    cheaper = [name for name in near if costs[name].cheaper_than(costs[best], ties)]
    return min(cheaper, key=lambda name: (costs[name].cpu_s or 0.0, name)) if cheaper else best


def _reason(
    name: str, leader: str, winner: str, duels: dict[str, Comparison], costs: dict[str, Cost], ties: Ties
) -> str:
    """Why `name` did not win."""
    over = costs[name].over(ties)
    tied = name == leader or duels[name].outcome == "equal"
    if tied and over and not costs[winner].over(ties):
        return f"lost its tie with {winner}: {over}"
    if tied and costs[winner].cheaper_than(costs[name], ties):
        return f"lost its tie with {winner}, which needs less"
    if name == leader:
        return f"lost its tie with {winner}"
    duel = duels[name]
    assert duel.difference is not None
    unit = "points" if duel.metric == "mape_percent" else "kW"
    certainty = "with confidence" if duel.outcome == "worse" else "though not with confidence"
    return f"error {duel.difference:.3g} {unit} larger than that of {leader}, {certainty}"


def _mix(
    tables: dict[str, pl.DataFrame],
    errors: dict[str, float],
    leader: str,
    levels: pl.DataFrame,
    policy: GatePolicy,
    seed: int,
) -> tuple[Mix | None, list[tuple[str, Comparison]]]:
    """The ensemble of the finalists, taken or not; None with fewer than two finalists."""
    names = finalists(errors)
    if len(names) < 2:
        return None, []
    parts = [tables[name] for name in names]
    equal = [1 / len(names)] * len(names)
    tested: list[tuple[str, Comparison]] = []

    def versus_leader(kind: str, weights: list[float], days: pl.Expr) -> Comparison:
        own = system_total(mean_table(parts, weights).filter(days))
        duel = compare(own, system_total(tables[leader]), seed=seed, confidence=policy.confidence)
        tested.append((kind, duel))
        return duel

    mean = versus_leader("mean", equal, pl.lit(True))
    days = parts[0]["issue_time"].unique().sort()
    middle = days[len(days) // 2]
    first, second = pl.col("issue_time") < middle, pl.col("issue_time") >= middle
    weights = stack_weights([part.filter(first) for part in parts], levels)
    if weights is not None:
        # Judged on the second half only: the weights were fitted on the first.
        stack = versus_leader("stack", weights, second)
        halved = compare(
            system_total(mean_table(parts, weights).filter(second)),
            system_total(mean_table(parts, equal).filter(second)),
            seed=seed,
            confidence=policy.confidence,
        )
        if stack.outcome == "better" and (mean.outcome != "better" or halved.outcome == "better"):
            used = [(name, weight) for name, weight in zip(names, weights, strict=True) if weight > 0]
            return Mix([name for name, _ in used], [weight for _, weight in used], "stack", True, ""), tested
    if mean.outcome == "better":
        return Mix(names, equal, "mean", True, ""), tested
    return Mix(names, equal, "mean", False, f"not better than {leader} with confidence"), tested
