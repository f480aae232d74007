"""Routes about who hears of what: incidents, silences, the record of events, previews."""

# No postponed annotations: FastAPI would not find the names that `routing_routes` makes.

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import select

from smartgrid.api.callers import Caller, Require
from smartgrid.api.notifications import failures
from smartgrid.api.notifications import routing_answers as answers
from smartgrid.clock import wall_clock
from smartgrid.notifications import incidents, silences
from smartgrid.notifications.preview import preview
from smartgrid.notifications.transaction import write_transaction
from smartgrid.store import session
from smartgrid.store.events import Event, EventRow, Severity
from smartgrid.store.routing_tables import Incident, RoutingDecision, SilenceRow

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=200)]


def routing_routes(require: Require) -> APIRouter:
    router = APIRouter(tags=["routing"], responses=failures.RESPONSES)
    viewer = [Depends(require("viewer"))]
    operator = Annotated[Caller, Depends(require("operator"))]

    anybody = Annotated[Caller, Depends(require("viewer"))]

    @router.get("/me")
    def me(caller: anybody) -> answers.Me:
        """Who is calling, and as what. Role: viewer."""
        return answers.Me(name=caller.name, role=caller.role)

    @router.get("/incidents", dependencies=viewer)
    def listed_incidents(closed: bool = False, limit: Limit = 50) -> answers.Incidents:
        """What is open, newest first; `closed`: what is over. Role: viewer."""
        which = Incident.closed_at.is_not(None) if closed else Incident.closed_at.is_(None)
        query = select(Incident).where(which).order_by(Incident.incident_id.desc()).limit(limit)
        with session() as transaction:
            return answers.Incidents.of(list(transaction.scalars(query)))

    @router.post("/incidents/{incident_id}/acknowledge", responses=failures.NOT_FOUND)
    def acknowledge(incident_id: Number, caller: operator) -> answers.Incident:
        """Say that the caller takes care of it: no escalation until it becomes worse. Role: operator."""
        with write_transaction() as transaction:
            row = incidents.acknowledge(transaction, incident_id, caller.name, wall_clock())
            return answers.Incident.model_validate(row)

    @router.post("/incidents/{incident_id}/close", responses=failures.NOT_FOUND)
    def close(incident_id: Number, caller: operator) -> answers.Incident:
        """Say that it is over, for what nothing resolves by itself. Nobody is told. Role: operator."""
        with write_transaction() as transaction:
            row = incidents.find(transaction, incident_id)
            if row.closed_at is None:
                incidents.close(transaction, row, f"by {caller.name}"[:32], wall_clock())
            return answers.Incident.model_validate(row)

    @router.get("/events", dependencies=viewer)
    def events(
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        severity: Severity | None = None,
        incident: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        limit: Limit = 50,
    ) -> answers.Events:
        """The record: every event, and who was told of it or why nobody was. Role: viewer."""
        query = select(EventRow).order_by(EventRow.event_id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(EventRow.event_id < before)
        if severity is not None:
            query = query.where(EventRow.severity == severity)
        if incident is not None:
            of_it = select(RoutingDecision.event_id).where(RoutingDecision.incident_id == incident)
            query = query.where(EventRow.event_id.in_(of_it))
        with session() as transaction:
            rows = list(transaction.scalars(query))
            decided: dict[int, list[RoutingDecision]] = {row.event_id: [] for row in rows}
            found = select(RoutingDecision).where(RoutingDecision.event_id.in_(decided))
            for decision in transaction.scalars(found):
                decided[decision.event_id].append(decision)
        more = len(rows) > limit
        shown = [answers.RecordedEvent.of(row, decided[row.event_id]) for row in rows[:limit]]
        return answers.Events(events=shown, next_before=shown[-1].event_id if more else None)

    @router.get("/silences", dependencies=viewer)
    def listed_silences() -> answers.Silences:
        """Silences in force and planned, and those that ended in the last 30 days. Role: viewer."""
        now = wall_clock()
        recent = SilenceRow.expires_at > now - timedelta(days=30)
        query = select(SilenceRow).where(recent).order_by(SilenceRow.silence_id.desc()).limit(200)
        with session() as transaction:
            return answers.Silences(silences=[answers.Silence.of(row, now) for row in transaction.scalars(query)])

    @router.post("/silences", status_code=201)
    def silence(body: answers.NewSilence, caller: operator) -> answers.Silence:
        """Tell nobody of what matches, for a while and with a reason. Events stay recorded. Role: operator."""
        now = wall_clock()
        with write_transaction() as transaction:
            lasts = timedelta(hours=body.hours)
            row = silences.add(transaction, body.matcher, body.reason, caller.name, now, lasts=lasts)
            return answers.Silence.of(row, now)

    @router.post("/silences/{silence_id}/end", responses=failures.NOT_FOUND)
    def end(silence_id: Number, caller: operator) -> answers.Silence:
        """End a silence now. Role: operator."""
        now = wall_clock()
        with write_transaction() as transaction:
            return answers.Silence.of(silences.end(transaction, silence_id, caller.name, now), now)

    @router.post("/preview", dependencies=viewer)
    def previewed(body: answers.ExampleEvent) -> answers.Previewed:
        """What would be told of an event, and to whom. Nothing is recorded or sent. Role: viewer."""
        event = Event(**body.model_dump(exclude={"zones"}), zones=tuple(body.zones))
        with session() as transaction:
            shown = preview(transaction, event, wall_clock())
        return answers.Previewed(
            subject=shown.message.subject,
            text=shown.message.text,
            short=shown.message.short,
            template=shown.template,
            place=shown.place,
            receivers=[answers.ForReceiver.model_validate(one) for one in shown.receivers],
            why_not=shown.why_not,
        )

    return router
