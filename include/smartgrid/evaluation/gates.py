"""Hold a winner against the gates and say, with every number, what passed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from smartgrid.evaluation.gate_policy import Gate, GatePolicy

Metrics = dict[str, Any]
PLAUSIBILITY, QUANTILES = "plausibility", "quantiles"
BESIDE_CHAMPION = "winner_beside_champion"


@dataclass(frozen=True, slots=True)
class Duel:
    """What came of the comparison with the model in service: `won`, and why in plain words."""

    won: bool
    difference: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the winner and of those it is compared with.

    `scores[name][slice]` holds metrics, with name `winner`, `champion` or a naive method, and slices as of
    evaluation.slices, `plausibility` and `quantiles` for the winner. Where the champion was scored on other days than
    the whole window, `winner_beside_champion` holds the winner's scores of those days. `duel` is None without a
    champion to compare with.
    """

    scores: dict[str, dict[str, Metrics]]
    duel: Duel | None = None
    unknown_slices: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class GateResult:
    """`passed` is None where the gate could not be applied; `note` then says why."""

    gate: str
    metric: str
    slice: str
    comparison: str
    value: float | None
    limit: float | None
    passed: bool | None
    severity: str
    owner: str
    reason: str
    note: str = ""

    @property
    def refuses(self) -> bool:
        return self.passed is False and self.severity == "critical"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(policy: GatePolicy, facts: Facts) -> list[GateResult]:
    """One result for every gate and slice that it names, in the order of the policy."""
    return [result for gate in policy.gates for result in _check(gate, facts)]


def passes(results: list[GateResult]) -> bool:
    """Nothing critical failed, and at least one naive forecast could be compared with: no comparison is no proof."""
    compared = any(result.comparison == "better_than" and result.passed is not None for result in results)
    return compared and not any(result.refuses for result in results)


def _check(gate: Gate, facts: Facts) -> list[GateResult]:
    if gate.comparison == "wins_against":
        return [_duel(gate, facts)]
    own = facts.scores.get("winner", {})
    if gate.reference == "champion":
        own = facts.scores.get(BESIDE_CHAMPION, own)
    names = [name for name in own if fnmatchcase(name, gate.slice)]
    if not names:
        return [_result(gate, gate.slice, note="no such slice in this window")]
    return [_slice(gate, name, own[name], facts) for name in names]


def _slice(gate: Gate, name: str, own: Metrics, facts: Facts) -> GateResult:
    value = own.get(gate.metric)
    days = own.get("days")
    if days is not None and days < gate.min_days:
        return _result(gate, name, value, note=f"{days} of {gate.min_days} days")
    if gate.comparison in ("at_most", "at_least"):
        limit = gate.limit
        if value is None:
            return _result(gate, name, value, limit, note="not defined on these data")
    else:
        assert gate.reference is not None
        if name in facts.unknown_slices and gate.reference == "champion":
            return _result(gate, name, value, note="the champion does not know this zone")
        theirs = facts.scores.get(gate.reference, {}).get(name, {}).get(gate.metric)
        if theirs is None:
            return _result(gate, name, value, note=f"{gate.reference} has no score here")
        limit = theirs + max(abs(theirs) * (gate.tolerance_percent or 0.0) / 100, gate.tolerance)
        if value is None:
            return _result(gate, name, None, limit, passed=False, note="the winner has no score here")
    assert limit is not None
    passed = {
        "at_most": value <= limit,
        "at_least": value >= limit,
        "better_than": value < limit,
        "not_worse_than": value <= limit,
    }[gate.comparison]
    return _result(gate, name, value, limit, passed=bool(passed))


def _duel(gate: Gate, facts: Facts) -> GateResult:
    if facts.duel is None:
        return _result(gate, gate.slice, note="there is no champion to compare with")
    return _result(gate, gate.slice, facts.duel.difference, 0.0, passed=facts.duel.won, note=facts.duel.reason)


def _result(
    gate: Gate,
    name: str,
    value: float | None = None,
    limit: float | None = None,
    *,
    passed: bool | None = None,
    note: str = "",
) -> GateResult:
    return GateResult(
        gate.id, gate.metric, name, gate.comparison, value, limit, passed, gate.severity, gate.owner, gate.reason, note
    )
