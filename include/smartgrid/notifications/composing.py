"""From an incident and its events to the messages for its receiver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from smartgrid.notifications.channel import Priority
from smartgrid.notifications.conditions import severity_rank, worst
from smartgrid.notifications.event_view import link_of, view
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.notifications.templates import Rendered, render, template_for
from smartgrid.store.events import EventRow
from smartgrid.store.routing_tables import Incident

SHORT_CHANNELS = ("sms", "push")
EXAMPLES, LISTED_ZONES = 5, 1000
SOURCE = "routing"


@dataclass(frozen=True)
class Composer:
    """How texts are made: the operator's own templates, the grid's time zone, where the page is."""

    templates: Path | None
    zone: ZoneInfo
    page: str | None

    def of_events(
        self, incident: Incident, events: Sequence[EventRow], targets: Sequence[Target]
    ) -> list[NewNotification]:
        """What happened: the text of its kind for one event, a list for several."""
        severity = worst([event.severity for event in events])
        rendered = self.rendered(incident, events, severity)
        zones = _zones(events)
        data = _facts(incident, "firing", severity) | {
            "kinds": sorted({event.kind for event in events}),
            "events": len(events),
            "zones": zones[:LISTED_ZONES],
        }
        if len(events) == 1:
            data |= {"data": events[0].data, "link": link_of(events[0]), "run": events[0].run}
        return self._messages(incident, rendered, targets, severity, data, tuple(event.event_id for event in events))

    def rendered(self, incident: Incident, events: Sequence[EventRow], severity: str) -> Rendered:
        """The texts about `events`."""
        if len(events) == 1:
            template = template_for(events[0].kind, self.templates)
            values: dict[str, Any] = {"event": view(events[0])}
        else:
            template = "_several"
            ranked = sorted(events, key=lambda event: -severity_rank(event.severity))
            values = {
                "examples": [view(event) for event in ranked[:EXAMPLES]],
                "total": len(events),
                "zones": _zones(events),
                "kinds": Counter(event.kind for event in events).most_common(),
                "first_at": min(event.recorded_at for event in events),
                "last_at": max(event.recorded_at for event in events),
                "again": incident.messages > 0,
            }
        return self._render(template, incident, values | {"severity": severity})

    def of_resolution(
        self, incident: Incident, targets: Sequence[Target], now: datetime, last: EventRow | None
    ) -> list[NewNotification]:
        """It is over. `last` is the event that said so."""
        values = {
            "subject": incident.subject, "opened_at": incident.opened_at, "closed_at": now, "total": incident.events,
            "reason": last.text if last is not None else "", "link": link_of(last) if last is not None else "",
        }  # fmt: skip
        rendered = self._render("_resolved", incident, values)
        data = _facts(incident, "resolved", incident.severity) | {"events": incident.events}
        ids = (last.event_id,) if last is not None else ()
        return self._messages(incident, rendered, targets, incident.severity, data, ids)

    def of_escalation(
        self, incident: Incident, targets: Sequence[Target], now: datetime, receivers: Sequence[str]
    ) -> list[NewNotification]:
        """Nobody has acknowledged it."""
        minutes = int((now - incident.opened_at).total_seconds() // 60)
        values = {
            "subject": incident.subject, "opened_at": incident.opened_at, "total": incident.events,
            "minutes": minutes, "receivers": list(receivers), "severity": incident.severity,
            "incident_id": incident.incident_id,
        }  # fmt: skip
        rendered = self._render("_escalation", incident, values)
        data = _facts(incident, "escalated", incident.severity) | {"unacknowledged_minutes": minutes}
        return self._messages(incident, rendered, targets, incident.severity, data, ())

    def _render(self, template: str, incident: Incident, values: dict[str, Any]) -> Rendered:
        link = f"{self.page}?incident={incident.incident_id}" if self.page and incident.incident_id else ""
        shared = {"place": incident.place, "incident_link": link}
        return render(template, shared | values, folder=self.templates, zone=self.zone)

    def _messages(
        self, incident: Incident, rendered: Rendered, targets: Sequence[Target], severity: str,
        data: dict[str, Any], event_ids: tuple[int, ...],
    ) -> list[NewNotification]:  # fmt: skip
        """One message for those who can read much, one for SMS and push; none where nobody is reached."""
        priority = cast("Priority", severity)  # the same four words
        made = []
        for length, text in (("full", rendered.text), ("short", rendered.short)):
            reached = tuple(target for target in targets if (target.channel in SHORT_CHANNELS) == (length == "short"))
            if not reached:
                continue
            number = f"{incident.incident_id}:{incident.messages + 1}:{length}"
            brief = data if length == "full" else {k: v for k, v in data.items() if isinstance(v, str | int) and v}
            made.append(
                NewNotification(
                    message=text,
                    subject=rendered.subject,
                    targets=reached,
                    priority=priority,
                    data=brief,
                    dedupe_key=f"incident:{number}",
                    event_ids=event_ids,
                    source=SOURCE,
                    created_by=SOURCE,
                )
            )
        return made


def _zones(events: Sequence[EventRow]) -> list[str]:
    return sorted({str(zone) for event in events for zone in event.zones}, key=_natural)


def _facts(incident: Incident, status: str, severity: str) -> dict[str, Any]:
    """What a program that receives the message wants to know, beside the text for people."""
    return {
        "incident_id": incident.incident_id,
        "status": status,
        "severity": severity,
        "group": incident.group_key,
        "place": incident.place,
        "receiver": incident.receiver,
    }


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Z2 before Z10."""
    parts: list[tuple[int, int, str]] = []
    digits = word = ""
    for sign in f"{name}\0":
        if sign.isascii() and sign.isdigit():
            digits += sign
            continue
        if digits:
            parts += [(0, 0, word), (1, int(digits), "")]
            digits = word = ""
        word += sign
    return (*parts, (0, 0, word))
