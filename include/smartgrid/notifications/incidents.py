"""Incidents: what one receiver hears of as one trouble. Opened by the first event, closed when all of it is over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import exists, insert, select, update
from sqlalchemy.orm import Session

from smartgrid.notifications.conditions import chunks
from smartgrid.notifications.errors import NotificationError
from smartgrid.notifications.grouping import Group, next_message_at
from smartgrid.notifications.rules import Rule, Storm
from smartgrid.store.events import EventRow
from smartgrid.store.routing_tables import Condition, Incident, IncidentCondition, RoutingDecision


class NoSuchIncident(NotificationError):
    exit_code = 2

    def __init__(self, incident_id: int) -> None:
        self.incident_id = incident_id
        super().__init__(f"No incident {incident_id}. `smartgrid notifications incidents` shows the open ones.")


class Incidents:
    """The incidents that a batch of events belongs to."""

    def __init__(self, session: Session, storm: Storm, now: datetime) -> None:
        self._session, self._storm, self._now = session, storm, now
        self._open: dict[str, Incident] = {}
        self._links: set[tuple[int, str]] = set()

    def join(
        self, event: EventRow, receiver: str, group: Group, rule: Rule, *, escalates: bool
    ) -> tuple[Incident, bool]:
        """The open incident of this receiver and group, and whether `event` opened it.

        One that was closed only minutes ago is opened again: what flickers is told at the pace of one trouble.
        """
        open_key = f"{receiver}|{group.key}"
        incident = self._open.get(open_key) or self._session.scalar(
            select(Incident).where(Incident.open_key == open_key)
        )
        opened = incident is None
        if incident is None:
            incident = self._reopened(receiver, group, open_key)
        if incident is None:
            incident = Incident(
                receiver=receiver, group_key=group.key, open_key=open_key, rule=rule.name, place=group.title,
                severity=event.severity, opened_at=self._now, last_event_at=self._now, told=[], events=0,
                keyless_events=0, messages=0, escalation_level=0,
            )  # fmt: skip
            self._session.add(incident)
            self._session.flush()
        self._open[open_key] = incident
        incident.events += 1
        incident.last_event_at = self._now
        if escalates and incident.policy is None:
            incident.policy = rule.escalation
        self._link(incident, event)
        return incident, opened and incident.messages == 0

    def _reopened(self, receiver: str, group: Group, open_key: str) -> Incident | None:
        pause = timedelta(minutes=self._storm.digest_minutes[0])
        incident = self._session.scalar(
            select(Incident)
            .where(Incident.receiver == receiver, Incident.group_key == group.key, Incident.messages > 0)
            .where(Incident.closed_at > self._now - pause)
            .order_by(Incident.incident_id.desc())
            .limit(1)
        )
        if incident is not None:
            incident.closed_at = incident.close_reason = None
            incident.open_key = open_key
        return incident

    def _link(self, incident: Incident, event: EventRow) -> None:
        if event.dedupe_key:
            self._links.add((incident.incident_id, event.dedupe_key))
        else:
            incident.keyless_events += 1

    def save_links(self) -> None:
        """Write which conditions keep the incidents open, for the whole batch at once."""
        known: set[tuple[int, str]] = set()
        for keys in chunks(sorted({key for _, key in self._links})):
            rows = self._session.execute(
                select(IncidentCondition.incident_id, IncidentCondition.condition_key).where(
                    IncidentCondition.condition_key.in_(keys)
                )
            )
            known |= {(row.incident_id, row.condition_key) for row in rows}
        missing = [{"incident_id": number, "condition_key": key} for number, key in sorted(self._links - known)]
        if missing:
            self._session.execute(insert(IncidentCondition), missing)


def of_conditions(session: Session, condition_keys: Iterable[str]) -> dict[str, list[int]]:
    """The open incidents that each of the conditions belongs to."""
    found: dict[str, list[int]] = {}
    for keys in chunks(sorted(condition_keys)):
        query = (
            select(IncidentCondition.condition_key, Incident.incident_id)
            .join(Incident, IncidentCondition.incident_id == Incident.incident_id)
            .where(IncidentCondition.condition_key.in_(keys), Incident.closed_at.is_(None))
        )
        for key, incident_id in session.execute(query):
            found.setdefault(key, []).append(incident_id)
    return found


def over(session: Session, incident_ids: Iterable[int]) -> list[Incident]:
    """Those of the incidents whose conditions are all resolved."""
    still_open = exists().where(
        IncidentCondition.incident_id == Incident.incident_id,
        Condition.condition_key == IncidentCondition.condition_key,
        Condition.resolved_at.is_(None),
    )
    found = []
    for incident_id in sorted(set(incident_ids)):
        incident = session.scalar(
            select(Incident).where(
                Incident.incident_id == incident_id,
                Incident.closed_at.is_(None),
                Incident.keyless_events == 0,
                ~still_open,
            )
        )
        if incident is not None:
            found.append(incident)
    return found


def close(session: Session, incident: Incident, reason: str, now: datetime) -> None:
    """Close it; what was still waiting to be told is marked as overtaken."""
    incident.closed_at, incident.close_reason, incident.open_key = now, reason, None
    incident.next_message_at = incident.next_escalation_at = None
    session.execute(
        update(RoutingDecision)
        .where(RoutingDecision.incident_id == incident.incident_id, RoutingDecision.outcome == "waiting")
        .values(outcome="overtaken", detail=f"the incident was closed before: {reason}", decided_at=now)
    )


def close_idle(session: Session, storm: Storm, now: datetime) -> None:
    """Close what nothing resolves and of which nothing was heard for long."""
    query = select(Incident).where(
        Incident.closed_at.is_(None),
        Incident.next_message_at.is_(None),
        Incident.last_event_at < now - timedelta(hours=storm.idle_hours),
    )
    for incident in session.scalars(query).all():
        close(session, incident, "idle", now)


def pace(incident: Incident, rule: Rule | None, storm: Storm) -> datetime | None:
    """When the next message about a told incident is due, None for one that was never told."""
    if incident.last_told_at is None:
        return None
    minutes = (rule.digest_minutes if rule else None) or storm.digest_minutes
    return next_message_at(minutes, incident.messages, incident.last_told_at)


def acknowledge(session: Session, incident_id: int, by: str, now: datetime) -> Incident:
    """Somebody takes care of it: no further escalation, unless it becomes worse. Other receivers' incidents of the same
    trouble are acknowledged, too. One that is closed stays as it is.

    Raises:
        NoSuchIncident
    """
    incident = find(session, incident_id)
    if incident.closed_at is None:
        same = select(Incident).where(Incident.group_key == incident.group_key, Incident.closed_at.is_(None))
        for row in session.scalars(same):
            row.acknowledged_at, row.acknowledged_by, row.next_escalation_at = now, by[:128], None
    return incident


def find(session: Session, incident_id: int) -> Incident:
    """The incident of this number.

    Raises:
        NoSuchIncident
    """
    incident = session.get(Incident, incident_id)
    if incident is None:
        raise NoSuchIncident(incident_id)
    return incident
