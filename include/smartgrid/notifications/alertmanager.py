"""Prometheus Alertmanager's webhook (version 4) as a source of events.

Each alert becomes an event whose condition is its fingerprint; `resolved` ends the condition. Alertmanager repeats a
call until it is answered with 2xx, and after its `repeat_interval`: the same alerts in the same state are taken once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from smartgrid.notifications.errors import NotificationError
from smartgrid.notifications.once import claim, once_key
from smartgrid.notifications.policy_errors import problems_of
from smartgrid.notifications.templates import one_line
from smartgrid.store.events import Event, Severity, record_event

MOST_ALERTS = 10_000
KIND = "alert"
# The words that people use for `severity` in alerting rules.
SEVERITY: dict[str, Severity] = {
    "critical": "critical", "emergency": "critical", "page": "critical", "fatal": "critical", "disaster": "critical",
    "error": "high", "high": "high", "major": "high", "warning": "medium", "warn": "medium", "medium": "medium",
    "minor": "medium", "info": "low", "notice": "low", "low": "low", "none": "low", "debug": "low",
}  # fmt: skip
ZONE_LABELS = ("zone", "zones", "feeder")
Words = dict[str, str]


class BadAlert(NotificationError):
    """The payload is not Alertmanager's, version 4; `problems` names each place."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("Not a payload of Alertmanager's webhook, version 4: " + "; ".join(problems[:10]))


class Alert(BaseModel):
    """One alert; unknown fields of later versions are left alone."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Words = Field(max_length=100)
    annotations: Words = Field(default={}, max_length=100)
    starts_at: datetime = Field(alias="startsAt")
    ends_at: datetime | None = Field(None, alias="endsAt")
    generator_url: str = Field("", alias="generatorURL", max_length=4000)
    fingerprint: str = Field("", max_length=128)

    @property
    def identity(self) -> str:
        """The fingerprint; Alertmanager before 0.19 sent none, then the labels stand for it."""
        if self.fingerprint:
            return self.fingerprint
        return hashlib.sha256(repr(sorted(self.labels.items())).encode()).hexdigest()[:32]


class Payload(BaseModel):
    """The body of a call."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    group_key: str = Field(alias="groupKey", max_length=10_000)
    status: Literal["firing", "resolved"]
    external_url: str = Field("", alias="externalURL", max_length=4000)
    alerts: list[Alert] = Field(max_length=MOST_ALERTS)
    truncated: int = Field(0, alias="truncatedAlerts", ge=0)


def parse(payload: Mapping[str, Any]) -> Payload:
    """The payload, checked.

    Raises:
        BadAlert
    """
    try:
        return Payload.model_validate(payload)
    except ValidationError as error:
        raise BadAlert(problems_of(error)) from None


def events_of(payload: Mapping[str, Any]) -> list[Event]:
    """The events of a call, in its order.

    Raises:
        BadAlert
    """
    parsed = parse(payload)
    events = [_event(alert, parsed) for alert in parsed.alerts]
    if parsed.truncated:
        # Alertmanager's max_alerts cut the list: what is missing must at least be known to be missing.
        events.append(
            Event(
                kind=KIND,
                severity="high",
                subject=f"Alertmanager left out {parsed.truncated} alerts",
                text=f"The limit max_alerts of its webhook cut {parsed.truncated} alerts of group {parsed.group_key}.",
                data={"truncated_alerts": parsed.truncated},
            )
        )
    return events


def record(session: Session, payload: Mapping[str, Any]) -> int:
    """Record the events of a call in the caller's transaction; how many. 0 for a call that was taken before.

    Raises:
        BadAlert
    """
    parsed = parse(payload)
    alerts = sorted((alert.identity, alert.status, alert.starts_at.isoformat()) for alert in parsed.alerts)
    if not claim(session, once_key("alertmanager", parsed.group_key, parsed.status, alerts, parsed.truncated)):
        return 0
    events = events_of(payload)
    for event in events:
        record_event(session, event)
    return len(events)


def _event(alert: Alert, payload: Payload) -> Event:
    labels, notes = alert.labels, alert.annotations
    name = labels.get("alertname", "alert")
    zones = [zone.strip() for label in ZONE_LABELS for zone in labels.get(label, "").split(",") if zone.strip()]
    resolved = alert.status == "resolved"
    data: dict[str, Any] = {"alertname": name, "fingerprint": alert.identity, "starts_at": alert.starts_at.isoformat()}
    data |= {key: labels[key] for key in ("substation", "region", "instance", "job") if labels.get(key)}
    data |= {key: notes[key] for key in ("value", "runbook_url") if notes.get(key)}
    text = notes.get("description") or notes.get("message") or notes.get("summary") or name
    return Event(
        kind=KIND,
        severity=SEVERITY.get(labels.get("severity", "").lower(), "medium"),
        subject=one_line(f"{notes.get('summary') or name}"),
        text=text[:4000],
        zones=tuple(dict.fromkeys(zones))[:1000],
        dedupe_key=f"alertmanager:{alert.identity}"[:256],
        team=labels.get("team", "")[:64] or None,
        link=(alert.generator_url or payload.external_url) or None,
        data=data,
        resolves=resolved,
    )
