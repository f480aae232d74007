"""Event rules in the store: one transaction writes the run, what changed, and the event that says so."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.mining import compare
from smartgrid.mining.pattern_store import forget_old_runs, previous_run, replace_run
from smartgrid.mining.run_folder import RunFile
from smartgrid.store.events import Event, record_event
from smartgrid.store.mining_tables import MiningItemset, MiningRule, MiningRun

Json = dict[str, Any]
KIND = "event_rules"
# So many changes are told; the page has them all.
TOLD = 8


def store_rules(session: Session, run: RunFile, found: Json, *, keep: int) -> Json:
    """Store itemsets and rules (rules.json); return {"changes", "forgotten"}."""
    previous = previous_run(session, run)
    reported, supports = _before(session, previous)
    now = {_key(rule): rule["confidence"] for rule in found["rules"] if rule["reported"]}
    support_now = {tuple(sorted(one["items"])): one["support"] for one in found["itemsets"]}
    changed = compare.rule_changes(reported, now, supports, support_now) if previous else []
    changes: Json = {
        "compared_with": previous.run_id if previous else None,
        "rules": [one.as_json() for one in changed],
        "text": [f"{one.change}: {one.text}" for one in changed if one.matters],
    }
    new = replace_run(session, run, previous, found["summary"], changes)
    session.add_all(
        MiningItemset(run_id=run.run_id, number=number, **itemset) for number, itemset in enumerate(found["itemsets"])
    )
    session.add_all(
        MiningRule(
            run_id=run.run_id,
            number=number,
            **{name: value for name, value in rule.items() if name not in ("last_day", "redundant")},
            last_day=date.fromisoformat(rule["last_day"]) if rule["last_day"] else None,
        )
        for number, rule in enumerate(found["rules"])
    )
    if new and changes["text"]:
        record_event(session, rule_event(run, changes["text"]))
    return {"changes": changes, "forgotten": forget_old_runs(session, KIND, keep)}


def rule_event(run: RunFile, told: list[str]) -> Event:
    """Rules that appeared or went by more than a threshold's width."""
    more = [f"and {len(told) - TOLD} more"] if len(told) > TOLD else []
    return Event(
        kind="event_rules_changed",
        severity="low",
        subject=f"{len(told)} event rule{'s' if len(told) != 1 else ''} changed",
        text="\n".join([*told[:TOLD], *more, f"Run {run.run_id}."]),
        dedupe_key=f"event_rules:{run.series}:{run.last}",
        run=run.run_id,
        link="/smartgrid/patterns",
        data={"changes": told[:TOLD]},
    )


def _before(
    session: Session, previous: MiningRun | None
) -> tuple[dict[compare.RuleKey, float], dict[tuple[str, ...], float]]:
    if previous is None:
        return {}, {}
    rules = session.scalars(
        select(MiningRule).where(MiningRule.run_id == previous.run_id, MiningRule.reported.is_(True))
    )
    itemsets = session.scalars(select(MiningItemset).where(MiningItemset.run_id == previous.run_id))
    return (
        {(tuple(rule.antecedent), tuple(rule.consequent)): rule.confidence for rule in rules},
        {tuple(sorted(one.items)): one.support for one in itemsets},
    )


def _key(rule: Json) -> compare.RuleKey:
    return tuple(rule["antecedent"]), tuple(rule["consequent"])
