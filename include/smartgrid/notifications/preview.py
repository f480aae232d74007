"""What would be told of an event, and to whom, without telling anybody: for reviews of rules and templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from smartgrid.notifications.grouping import group_of
from smartgrid.notifications.quiet_hours import quiet_until
from smartgrid.notifications.routing import router_for
from smartgrid.notifications.silences import active, silencing
from smartgrid.notifications.subscribers import resolve
from smartgrid.notifications.templates import Rendered, template_for
from smartgrid.settings import Settings, get_settings
from smartgrid.store.events import Event, EventRow, record_event
from smartgrid.store.routing_tables import Incident


@dataclass(frozen=True)
class ForReceiver:
    """What one receiver would get. `targets` are words such as `webhook ep_1`; none: nobody is registered."""

    receiver: str
    rule: str
    group: str
    targets: tuple[str, ...]
    held_until: datetime | None


@dataclass(frozen=True)
class Preview:
    """`why_not` says why nobody is told, if so: a silence, or the rule."""

    place: str
    template: str
    message: Rendered
    receivers: tuple[ForReceiver, ...]
    why_not: str


def preview(session: Session, event: Event, now: datetime, settings: Settings | None = None) -> Preview:
    """The message and the receivers of `event` if it were recorded now as the first of its kind.

    Raises:
        BadPolicy
    """
    settings = settings or get_settings()
    router = router_for(session, now, settings)
    row = _unsaved(session, event, now)
    place = router.topology.place(map(str, row.zones), row.data)
    rules = list(router.policy.rules_for(row, place, now, router.zone))
    receivers, title = [], place.title
    for rule in rules:
        group = group_of(rule, place, kind=row.kind, team=row.team, data=row.data, condition=row.dedupe_key)
        title = group.title
        quiet = quiet_until(router.policy.quiet_hours, row.severity, now, router.zone)
        for name in rule.tell:
            found = resolve(session, router.policy.receivers[name].targets, row.severity)
            targets = tuple(" ".join(filter(None, (one.channel, one.platform, one.recipient))) for one in found)
            held = None if rule.ignores_quiet_hours else quiet
            receivers.append(ForReceiver(name, rule.name, group.key, targets, held))
    incident = Incident(incident_id=0, receiver="preview", group_key="", place=title, messages=0)
    silence = silencing(active(session, now), row, place)
    if silence is not None:
        why_not = f"silence {silence.silence_id}: {silence.reason}"
    elif not rules:
        why_not = "no rule fits"
    else:
        why_not = "" if receivers else f"rule {rules[0].name} tells nobody"
    return Preview(
        place=place.title,
        template=template_for(row.kind, settings.routing.templates),
        message=router.composer.rendered(incident, [row], row.severity),
        receivers=() if silence is not None else tuple(receivers),
        why_not=why_not,
    )


def _unsaved(session: Session, event: Event, now: datetime) -> EventRow:
    row = record_event(session, event)
    session.expunge(row)
    row.recorded_at, row.event_id = now, 0
    return row
