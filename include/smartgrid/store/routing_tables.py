"""Tables of the routing: what is open, who was told of what and why not, silences, and what was recorded already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from smartgrid.store.models import Base


class Incident(Base):
    """Trouble that one receiver hears of as one: the events of a place or pipeline, from the first until resolved.

    `open_key` is `receiver|group_key` while the incident is open and empty afterwards, so that there is never a second
    open one. `told` lists the targets that heard of it and are owed the "resolved".
    """

    __tablename__ = "incidents"

    incident_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    receiver: Mapped[str] = mapped_column(String(64))
    group_key: Mapped[str] = mapped_column(String(256))
    open_key: Mapped[str | None] = mapped_column(String(330), unique=True)
    rule: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(256), default="", comment="name of the group for people")
    severity: Mapped[str] = mapped_column(String(16), comment="the worst so far")
    subject: Mapped[str] = mapped_column(Text, default="", comment="of the newest message")
    opened_at: Mapped[datetime]
    last_event_at: Mapped[datetime]
    events: Mapped[int] = mapped_column(Integer, default=0)
    keyless_events: Mapped[int] = mapped_column(Integer, default=0, comment="of no condition: nothing resolves them")
    messages: Mapped[int] = mapped_column(Integer, default=0)
    last_told_at: Mapped[datetime | None] = mapped_column(default=None)
    next_message_at: Mapped[datetime | None] = mapped_column(default=None, comment="when what waits is told")
    told: Mapped[list[Any]]
    policy: Mapped[str | None] = mapped_column(String(64), default=None, comment="escalation policy")
    escalation_level: Mapped[int] = mapped_column(Integer, default=0)
    next_escalation_at: Mapped[datetime | None] = mapped_column(default=None)
    acknowledged_at: Mapped[datetime | None] = mapped_column(default=None)
    acknowledged_by: Mapped[str | None] = mapped_column(String(128), default=None)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    close_reason: Mapped[str | None] = mapped_column(String(32), default=None, comment="resolved, idle or by a person")

    __table_args__ = (
        Index("ix_incidents_next_message_at", "next_message_at"),
        Index("ix_incidents_next_escalation_at", "next_escalation_at"),
        Index("ix_incidents_group", "receiver", "group_key", "closed_at"),
        Index("ix_incidents_last_event_at", "closed_at", "last_event_at"),
    )


class Condition(Base):
    """The state of what a dedupe key names: since when, how often seen, when last told, whether it is over."""

    __tablename__ = "conditions"

    condition_key: Mapped[str] = mapped_column(String(256), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    severity: Mapped[str] = mapped_column(String(16))
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    times_seen: Mapped[int] = mapped_column(Integer, default=1)
    last_routed_at: Mapped[datetime | None] = mapped_column(default=None, comment="start of the dedupe window")
    resolved_at: Mapped[datetime | None] = mapped_column(default=None)


class IncidentCondition(Base):
    """Which conditions keep an incident open."""

    __tablename__ = "incident_conditions"

    incident_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("incidents.incident_id", ondelete="CASCADE"), primary_key=True
    )
    condition_key: Mapped[str] = mapped_column(String(256), primary_key=True, index=True)


class RoutingDecision(Base):
    """What became of one event for one receiver. Every routed event has at least one row."""

    __tablename__ = "routing_decisions"

    event_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("events.event_id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    receiver: Mapped[str] = mapped_column(String(64), primary_key=True, comment="empty: no receiver")
    rule: Mapped[str] = mapped_column(String(64), default="")
    outcome: Mapped[str] = mapped_column(
        String(16), comment="told, waiting, duplicate, silenced, recorded, unrouted, resolves, overtaken"
    )
    detail: Mapped[str] = mapped_column(Text, default="")
    incident_id: Mapped[int | None] = mapped_column(Integer, default=None)
    decided_at: Mapped[datetime]

    __table_args__ = (Index("ix_routing_decisions_incident", "incident_id", "outcome"),)


class SilenceRow(Base):
    """Nobody is told of what matches until `expires_at`; the events stay in the record."""

    __tablename__ = "silences"

    silence_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    matcher: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]
    starts_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_by: Mapped[str | None] = mapped_column(String(128), default=None)


class RecordedOnce(Base):
    """A happening that two watchers may report: the first to write its key records the event."""

    __tablename__ = "recorded_once"

    once_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(index=True)
