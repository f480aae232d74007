"""What the routes about routing answer, and what they take."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from smartgrid.notifications.matching import Matcher
from smartgrid.store.events import EventRow, Severity
from smartgrid.store.routing_tables import Incident as IncidentRow
from smartgrid.store.routing_tables import RoutingDecision, SilenceRow


class Me(BaseModel):
    name: str
    role: str


class Incident(BaseModel):
    """What one receiver hears of as one trouble."""

    model_config = ConfigDict(from_attributes=True)

    incident_id: int
    receiver: str
    place: str
    severity: str
    subject: str
    rule: str
    opened_at: datetime
    last_event_at: datetime
    events: int
    messages: int
    last_told_at: datetime | None
    next_message_at: datetime | None = Field(description="when what waits is told")
    escalation_level: int
    next_escalation_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    close_reason: str | None


class Incidents(BaseModel):
    incidents: list[Incident]

    @classmethod
    def of(cls, rows: list[IncidentRow]) -> Incidents:
        return cls(incidents=[Incident.model_validate(row) for row in rows])


class Decision(BaseModel):
    """What became of an event for one receiver."""

    model_config = ConfigDict(from_attributes=True)

    receiver: str
    rule: str
    outcome: str = Field(description="told, waiting, duplicate, silenced, recorded, unrouted, resolves or overtaken")
    detail: str
    incident_id: int | None
    decided_at: datetime


class RecordedEvent(BaseModel):
    """An event with what was decided about it."""

    event_id: int
    recorded_at: datetime
    kind: str
    severity: str
    subject: str
    zones: list[str]
    link: str | None
    resolves: bool
    routed_at: datetime | None
    decisions: list[Decision]

    @classmethod
    def of(cls, row: EventRow, decisions: list[RoutingDecision]) -> RecordedEvent:
        return cls(
            event_id=row.event_id,
            recorded_at=row.recorded_at,
            kind=row.kind,
            severity=row.severity,
            subject=row.subject,
            zones=[str(zone) for zone in row.zones],
            link=row.link,
            resolves=row.resolves,
            routed_at=row.routed_at,
            decisions=[Decision.model_validate(decision) for decision in decisions],
        )


class Events(BaseModel):
    events: list[RecordedEvent]
    next_before: int | None = Field(description="`before` of the next page; null: no more")


class Silence(BaseModel):
    silence_id: int
    matcher: dict[str, Any]
    says: str = Field(description="the matcher in words")
    reason: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    state: str = Field(description="in force, planned, expired or ended")

    @classmethod
    def of(cls, row: SilenceRow, now: datetime) -> Silence:
        if row.ended_at is not None:
            state = "ended"
        else:
            state = "expired" if row.expires_at <= now else "planned" if row.starts_at > now else "in force"
        return cls(
            silence_id=row.silence_id,
            matcher=row.matcher,
            says=Matcher.model_validate(row.matcher).describe(),
            reason=row.reason,
            created_by=row.created_by,
            created_at=row.created_at,
            starts_at=row.starts_at,
            expires_at=row.expires_at,
            ended_at=row.ended_at,
            ended_by=row.ended_by,
            state=state,
        )


class Silences(BaseModel):
    silences: list[Silence]


class NewSilence(BaseModel):
    model_config = ConfigDict(extra="forbid")

    matcher: Matcher = Field(description="what is silenced; all given fields have to fit")
    reason: str = Field(min_length=5, max_length=2000)
    hours: float = Field(gt=0, le=720, description="it ends by itself after so many hours")


class ExampleEvent(BaseModel):
    """An event that has not happened."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(min_length=1, max_length=64)
    severity: Severity = "medium"
    subject: str = Field("Example", max_length=1000)
    text: str = Field("", max_length=16_000)
    zones: list[str] = Field(default=[], max_length=1000)
    team: str | None = Field(None, max_length=64)
    link: str | None = Field(None, max_length=2000)
    data: dict[str, Any] = {}


class ForReceiver(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    receiver: str
    rule: str
    group: str
    targets: list[str]
    held_until: datetime | None = Field(description="the end of the quiet hours")


class Previewed(BaseModel):
    subject: str
    text: str
    short: str = Field(description="for SMS and push")
    template: str
    place: str
    receivers: list[ForReceiver]
    why_not: str = Field(description="why nobody is told, if so")
