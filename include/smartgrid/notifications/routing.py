"""Decides who hears of what has happened, and makes sure that a storm of events is not a storm of messages.

`plan` runs inside the transaction that marks the events as routed and adds the notifications to the outbox, so each
event is told exactly once or stays unrouted. Every event leaves a decision for each receiver, whether or not anybody
is told. Ideas: grouping and silences as in Prometheus Alertmanager, dedupe key and resolve as in PagerDuty's Events
API v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from smartgrid.notifications import incidents as of_incident
from smartgrid.notifications.composing import Composer
from smartgrid.notifications.conditions import Conditions, is_duplicate, severity_rank
from smartgrid.notifications.grouping import group_of
from smartgrid.notifications.incidents import Incidents
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.notifications.quiet_hours import quiet_until
from smartgrid.notifications.rules import RoutingPolicy, Rule, load_policy
from smartgrid.notifications.silences import Silence, active, silencing
from smartgrid.notifications.spool import drain
from smartgrid.notifications.subscribers import resolve
from smartgrid.notifications.topology import Place, Topology, load_topology
from smartgrid.settings import Settings, get_settings
from smartgrid.store.events import EventRow
from smartgrid.store.routing_tables import Condition, Incident, RoutingDecision

PAGE = "/smartgrid/notifications"


@dataclass
class Router:
    """One planning: the files in force, the session of the caller and what has been decided so far."""

    session: Session
    now: datetime
    policy: RoutingPolicy
    topology: Topology
    composer: Composer
    zone: ZoneInfo
    planned: list[NewNotification] = field(default_factory=list)
    ended: dict[int, EventRow] = field(default_factory=dict)
    _resolved: dict[str, EventRow] = field(default_factory=dict)
    _decisions: list[dict[str, Any]] = field(default_factory=list)

    def route(self, events: Sequence[EventRow]) -> None:
        """Decide about each event; what is to be told is told afterwards, as one message for each incident."""
        silences = active(self.session, self.now) if events else []
        conditions = Conditions(self.session, events)
        incidents = Incidents(self.session, self.policy.storm, self.now)
        for event in events:
            if event.resolves:
                self._resolve(event, conditions)
            else:
                self._route_one(event, silences, conditions, incidents)
        self.session.flush()
        incidents.save_links()
        if self._decisions:
            self.session.execute(insert(RoutingDecision), self._decisions)
        for key, numbers in of_incident.of_conditions(self.session, self._resolved).items():
            self.ended |= dict.fromkeys(numbers, self._resolved[key])

    def _resolve(self, event: EventRow, conditions: Conditions) -> None:
        was_open = conditions.resolve(event)
        if was_open and event.dedupe_key:
            self._resolved[event.dedupe_key] = event
        self._decide(event, "", "resolves", "" if was_open else "nothing was open")

    def _route_one(
        self, event: EventRow, silences: Sequence[Silence], conditions: Conditions, incidents: Incidents
    ) -> None:
        place = self.topology.place(map(str, event.zones), event.data)
        condition = conditions.seen(event)
        rules = list(self.policy.rules_for(event, place, self.now, self.zone))
        if condition is not None and is_duplicate(condition, event, self._window(rules), self.now):
            self._decide(event, "", "duplicate", f"seen {condition.times_seen} times")
            return
        if condition is not None and severity_rank(event.severity) > severity_rank(condition.severity):
            condition.severity = event.severity
        silence = silencing(silences, event, place)
        if silence is not None:
            self._decide(event, "", "silenced", f"silence {silence.silence_id}: {silence.reason}")
            return
        if not rules:
            self._decide(event, "", "unrouted", "no rule fits")
            return
        if condition is not None:
            condition.last_routed_at = self.now
        told: dict[str, Rule] = {}
        for rule in rules:
            for receiver in rule.tell:
                told.setdefault(receiver, rule)
        if not told:
            self._decide(event, "", "recorded", "the rule tells nobody", rule=rules[0])
        for receiver, rule in told.items():
            # One of a rule's receivers escalates: each would wake the next in line once more.
            escalates = rule.escalation is not None and receiver == rule.tell[0]
            self._join(event, place, receiver, rule, incidents, escalates=escalates)

    def _join(
        self, event: EventRow, place: Place, receiver: str, rule: Rule, incidents: Incidents, *, escalates: bool
    ) -> None:
        group = group_of(
            rule, place, kind=event.kind, team=event.team, data=event.data, condition=event.dedupe_key
        )  # fmt: skip
        incident, opened = incidents.join(event, receiver, group, rule, escalates=escalates)
        worse = severity_rank(event.severity) > severity_rank(incident.severity)
        if worse:
            incident.severity = event.severity
        quiet = (
            None if rule.ignores_quiet_hours
            else quiet_until(self.policy.quiet_hours, event.severity, self.now, self.zone)
        )  # fmt: skip
        if quiet is not None:
            due = quiet
        elif opened or incident.messages == 0 or (worse and event.severity == "critical"):
            due = self.now
            incident.acknowledged_at = incident.acknowledged_by = None
        else:
            due = of_incident.pace(incident, rule, self.policy.storm) or self.now
        if incident.next_message_at is None or due < incident.next_message_at:
            incident.next_message_at = due
        detail = f"quiet hours until {quiet.isoformat()}" if quiet else ""
        self._decide(event, receiver, "waiting", detail, rule=rule, incident=incident)

    def close_what_is_over(self) -> None:
        """Tell of incidents whose conditions are all resolved, if anybody had heard of them."""
        for incident in of_incident.over(self.session, self.ended):
            told = [Target(*target) for target in incident.told]
            if told:
                last = self.ended.get(incident.incident_id)
                self._add(incident, self.composer.of_resolution(incident, told, self.now, last))
                incident.told = []
            of_incident.close(self.session, incident, "resolved", self.now)
        of_incident.close_idle(self.session, self.policy.storm, self.now)

    def tell_what_is_due(self) -> None:
        """First messages, digests, and what quiet hours held back."""
        due = select(Incident).where(Incident.next_message_at <= self.now).order_by(Incident.incident_id)
        for incident in self.session.scalars(due).all():
            incident.next_message_at = None
            events = self._waiting(incident)
            if not events:
                continue
            severity = max((event.severity for event in events), key=severity_rank)
            targets = (
                resolve(self.session, self.policy.receivers[incident.receiver].targets, severity)
                if (incident.receiver in self.policy.receivers)
                else []
            )
            messages = self.composer.of_events(incident, events, targets)
            self._told(incident, events, "told" if messages else "unrouted")
            if not messages:
                continue
            incident.subject = _without_severity(messages[0].subject or "")
            self._add(incident, messages)
            if incident.next_escalation_at is None and incident.acknowledged_at is None:
                self._arm(incident)

    def escalate(self) -> None:
        """Tell the next in line of what nobody has acknowledged."""
        due = select(Incident).where(
            Incident.next_escalation_at <= self.now, Incident.closed_at.is_(None), Incident.acknowledged_at.is_(None)
        )
        for incident in self.session.scalars(due.order_by(Incident.incident_id)).all():
            policy = self.policy.escalations.get(incident.policy or "")
            incident.next_escalation_at = None
            if policy is None:
                continue
            rule = self.policy.rule(incident.rule)
            if rule is None or not rule.ignores_quiet_hours:
                quiet = quiet_until(self.policy.quiet_hours, incident.severity, self.now, self.zone)
                if quiet is not None:
                    incident.next_escalation_at = quiet
                    continue
            level = policy.level(incident.escalation_level)
            targets = [
                target for name in level.tell
                for target in resolve(self.session, self.policy.receivers[name].targets, incident.severity)
            ]  # fmt: skip
            before = [
                incident.receiver,
                *(name for lower in policy.levels[: incident.escalation_level] for name in lower.tell),
            ]
            self._add(
                incident,
                self.composer.of_escalation(
                    incident, list(dict.fromkeys(targets)), self.now, list(dict.fromkeys(before))
                ),
            )
            incident.escalation_level += 1
            incident.next_escalation_at = policy.due(incident.escalation_level, self.now)

    def _arm(self, incident: Incident) -> None:
        policy = self.policy.escalations.get(incident.policy or "")
        if policy is not None:
            incident.next_escalation_at = policy.due(incident.escalation_level, self.now)

    def _add(self, incident: Incident, messages: list[NewNotification]) -> None:
        if not messages:
            return
        self.planned += messages
        incident.messages += 1
        incident.last_told_at = self.now
        heard = {tuple(target) for target in incident.told}
        heard |= {(target.channel, target.recipient, target.platform) for one in messages for target in one.targets}
        incident.told = sorted((list(target) for target in heard), key=str)

    def _waiting(self, incident: Incident) -> list[EventRow]:
        """Its events that nobody was told of yet. What is over meanwhile is not told any more."""
        query = (
            select(EventRow, Condition.resolved_at)
            .join(RoutingDecision, RoutingDecision.event_id == EventRow.event_id)
            .outerjoin(Condition, Condition.condition_key == EventRow.dedupe_key)
            .where(
                RoutingDecision.incident_id == incident.incident_id,
                RoutingDecision.receiver == incident.receiver,
                RoutingDecision.outcome == "waiting",
            )
            .order_by(EventRow.event_id)
        )
        current: list[EventRow] = []
        overtaken: list[EventRow] = []
        for event, resolved_at in self.session.execute(query):
            (current if resolved_at is None else overtaken).append(event)
        self._told(incident, overtaken, "overtaken")
        return current

    def _told(self, incident: Incident, events: Sequence[EventRow], outcome: str) -> None:
        if not events:
            return
        first, last = events[0].event_id, events[-1].event_id
        of_one = (
            update(RoutingDecision)
            .where(
                RoutingDecision.incident_id == incident.incident_id,
                RoutingDecision.receiver == incident.receiver,
                RoutingDecision.outcome == "waiting",
            )
            .values(outcome=outcome, decided_at=self.now)
        )
        ids = [event.event_id for event in events]
        if len(ids) == last - first + 1:
            self.session.execute(of_one.where(RoutingDecision.event_id.between(first, last)))
            return
        for start in range(0, len(ids), 500):
            self.session.execute(of_one.where(RoutingDecision.event_id.in_(ids[start : start + 500])))

    def _decide(
        self, event: EventRow, receiver: str, outcome: str, detail: str = "", *, rule: Rule | None = None,
        incident: Incident | None = None,
    ) -> None:  # fmt: skip
        self._decisions.append(
            {
                "event_id": event.event_id,
                "receiver": receiver,
                "rule": rule.name if rule else "",
                "outcome": outcome,
                "detail": detail[:1000],
                "decided_at": self.now,
                "incident_id": incident.incident_id if incident else None,
            }
        )

    def _window(self, rules: Sequence[Rule]) -> timedelta:
        given = [rule.dedupe_minutes for rule in rules if rule.dedupe_minutes is not None]
        return timedelta(minutes=max(given) if given else self.policy.storm.dedupe_minutes)


def _without_severity(subject: str) -> str:
    """A subject as later messages quote it, with a severity or state of their own before it.

    >>> _without_severity("[high] Load of Z1 above its limit")
    'Load of Z1 above its limit'
    """
    return subject.partition("] ")[2] if subject.startswith("[") else subject


def plan(
    session: Session, events: Sequence[EventRow], now: datetime, settings: Settings | None = None
) -> list[NewNotification]:
    """What is to be sent now: because of `events` (unrouted, in the order of their ids), and because time has passed.

    Call it in one write transaction that no other routing shares, with no events too: digests, the end of quiet hours
    and escalations come due by themselves. The caller adds the notifications to the outbox and marks the events as
    routed in the same transaction.

    Raises:
        BadPolicy: routing or topology cannot be read; the events stay unrouted until the file is corrected.
    """
    settings = settings or get_settings()
    router = router_for(session, now, settings)
    drain(session, settings)  # what it records is routed by the next call
    router.route(events)
    router.close_what_is_over()
    router.tell_what_is_due()
    router.escalate()
    session.flush()
    return router.planned


def router_for(session: Session, now: datetime, settings: Settings) -> Router:
    """A router with the files that `settings` name."""
    base = settings.airflow_url or f"http://127.0.0.1:{settings.airflow_port}"
    zone = settings.grid_timezone
    return Router(
        session=session,
        now=now,
        policy=load_policy(settings.routing.file),
        topology=load_topology(settings.routing.topology),
        composer=Composer(settings.routing.templates, zone, base.rstrip("/") + PAGE),
        zone=zone,
    )
