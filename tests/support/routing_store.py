"""A store with a routing of its own: record events, let time pass, see what would be sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from smartgrid.notifications.model import NewNotification
from smartgrid.notifications.routing import plan
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import load_settings
from smartgrid.store.events import Event, EventRow, record_event
from smartgrid.store.routing_tables import Incident, RoutingDecision

BEGIN = datetime(2024, 3, 5, 12, tzinfo=UTC)  # a Tuesday, noon in UTC
TOPOLOGY = """
regions:
  north:
    substations:
      S1: {zones: ["F1-*", Z1]}
      S2: {zones: ["F2-*", Z2]}
  south:
    substations:
      S3: {zones: ["F3-*", Z3]}
"""
ROUTING = """
version: 1
receivers:
  control: {targets: [{channel: webhook, recipient: "https://control.example/hook"}]}
  duty: {targets: [{channel: sms, recipient: "+4915112345678", from_severity: high}]}
rules:
  - {name: retries, match: {kind: task_retried}, tell: []}
  - {name: pipelines, match: {kind: [task_failed, retries_exhausted, run_failed]}, tell: [control], group_by: [dag]}
  - {name: critical, match: {severity: critical}, tell: [control, duty], escalation: chain}
  - {name: rest, match: {at_least: medium}, tell: [control]}
  - {name: record-only}
storm: {dedupe_minutes: 60, digest_minutes: [10, 60], idle_hours: 24}
escalations:
  chain: {levels: [{after_minutes: 15, tell: [duty]}, {after_minutes: 30, tell: [duty, control]}], repeat_minutes: 60}
"""


@dataclass
class RoutingStore:
    """Time stands still until `later`. `sent` holds every planned notification."""

    folder: Path
    now: datetime = BEGIN
    sent: list[NewNotification] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.routing(ROUTING)
        (self.folder / "topology.yaml").write_text(TOPOLOGY)

    def routing(self, text: str) -> None:
        (self.folder / "routing.yaml").write_text(text)

    def record(self, *events: Event) -> list[int]:
        with write_transaction() as transaction:
            rows = [record_event(transaction, event) for event in events]
            for row in rows:
                row.recorded_at = self.now
            transaction.flush()
            return [row.event_id for row in rows]

    def tick(self, *, most_events: int = 1000) -> list[NewNotification]:
        """One planning, as the worker does it; what it plans."""
        settings = load_settings(
            timezone="UTC",
            routing={"file": self.folder / "routing.yaml", "topology": self.folder / "topology.yaml"},
        )
        with write_transaction() as transaction:
            unrouted = select(EventRow).where(EventRow.routed_at.is_(None)).order_by(EventRow.event_id)
            events = list(transaction.scalars(unrouted.limit(most_events)))
            planned = plan(transaction, events, self.now, settings)
            for event in events:
                event.routed_at = self.now
        self.sent += planned
        return planned

    def tell(self, *events: Event) -> list[NewNotification]:
        """Record and plan."""
        self.record(*events)
        return self.tick()

    def later(self, minutes: float) -> list[NewNotification]:
        self.now += timedelta(minutes=minutes)
        return self.tick()

    def outcomes(self) -> Counter[str]:
        with write_transaction() as transaction:
            return Counter(transaction.scalars(select(RoutingDecision.outcome)))

    def incidents(self) -> list[Incident]:
        with write_transaction() as transaction:
            return list(transaction.scalars(select(Incident).order_by(Incident.incident_id)))


def alert(zone: str, severity: str = "high", *, key: str | None = "", resolves: bool = False, **more: object) -> Event:
    """A load alert of one zone; its condition is the zone unless `key` says otherwise."""
    return Event(
        kind="load_alert",
        severity=severity,  # type: ignore[arg-type]
        subject=f"Load of {zone} above its limit",
        zones=(zone,),
        dedupe_key=f"load:{zone}" if key == "" else key,
        data={"load_kw": 1234.5},
        resolves=resolves,
        **more,  # type: ignore[arg-type]
    )
