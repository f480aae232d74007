"""Something happened that people may have to hear of: recorded in the transaction of what caused it.

A room that records an event knows nothing of channels or recipients. The notification room reads the rows that are
not routed yet and decides who hears of them; an event stays in the record whether or not anybody was told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from smartgrid.clock import wall_clock
from smartgrid.store.models import Base

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Event:
    """What happened, in words for a person (`subject`, `text`) and in facts for a rule (the rest).

    `zones` lists the zones concerned, if any. `dedupe_key` names the condition: events with the same key are the
    same trouble seen again, and `resolves=True` says that it is over. `run` is the pipeline run, `link` its page.
    """

    kind: str
    severity: Severity
    subject: str
    text: str = ""
    zones: tuple[str, ...] = ()
    dedupe_key: str | None = None
    team: str | None = None
    run: str | None = None
    link: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    resolves: bool = False

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is one of {', '.join(SEVERITIES)}, not {self.severity!r}")


class EventRow(Base):
    """One recorded event. `routed_at` is empty until the notification room has decided who hears of it."""

    __tablename__ = "events"

    event_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    recorded_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(64))
    severity: Mapped[str] = mapped_column(String(16), comment="low, medium, high or critical")
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text, default="")
    zones: Mapped[list[Any]]
    dedupe_key: Mapped[str | None] = mapped_column(String(256), default=None)
    team: Mapped[str | None] = mapped_column(String(64), default=None)
    run: Mapped[str | None] = mapped_column(String(256), default=None)
    link: Mapped[str | None] = mapped_column(Text, default=None)
    data: Mapped[dict[str, Any]]
    resolves: Mapped[bool] = mapped_column(Boolean, default=False)
    routed_at: Mapped[datetime | None] = mapped_column(default=None)

    __table_args__ = (Index("ix_events_routed_at", "routed_at", "event_id"),)


def record_event(session: Session, event: Event) -> EventRow:
    """Add `event` to the caller's transaction; it exists if and only if that transaction commits."""
    row = EventRow(
        recorded_at=wall_clock(),
        kind=event.kind,
        severity=event.severity,
        subject=event.subject,
        text=event.text,
        zones=list(event.zones),
        dedupe_key=event.dedupe_key,
        team=event.team,
        run=event.run,
        link=event.link,
        data=event.data,
        resolves=event.resolves,
    )
    session.add(row)
    return row
