"""`smartgrid notifications`: who hears of what, silences, incidents, dead letters."""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from typing import Annotated, Any

import typer

from smartgrid.notifications.channel_commands import add_channel_commands

notifications_app = typer.Typer(help="Notifications: rules, silences, incidents, dead letters.", no_args_is_help=True)
silence_app = typer.Typer(help="Silences: each has a reason and an end.", no_args_is_help=True)
notifications_app.add_typer(silence_app, name="silence")
add_channel_commands(notifications_app)

_Kind = Annotated[str, typer.Option(help="Kind of the event, e.g. load_alert; for a silence a pattern such as load_*.")]
_Zones = Annotated[list[str] | None, typer.Option("--zone", help="A zone; may be given several times.")]


def register(app: typer.Typer) -> None:
    app.add_typer(notifications_app, name="notifications")


@notifications_app.command("routes")
def routes_command() -> None:
    """Check the routing file, the topology and the templates in force, and show the rules."""
    from smartgrid.notifications.policy_errors import BadPolicy
    from smartgrid.notifications.rules import PACKAGED, load_policy
    from smartgrid.notifications.templates import check_templates
    from smartgrid.notifications.topology import load_topology
    from smartgrid.settings import get_settings

    routing = get_settings().routing
    policy = load_policy(routing.file)
    load_topology(routing.topology)
    if routing.templates is not None and (problems := check_templates(routing.templates)):
        raise BadPolicy(routing.templates, problems, "SMARTGRID_ROUTING__TEMPLATES")
    typer.echo(f"routing: {routing.file or PACKAGED}\ntopology: {routing.topology or 'none'}")
    for rule in policy.rules:
        told = ", ".join(rule.tell) or "nobody, only recorded"
        more = f"; escalation {rule.escalation}" if rule.escalation else ""
        typer.echo(
            f"{rule.name}: {rule.match.describe()} -> {told} (one message a {' and '.join(rule.group_by)}{more})"
        )


@notifications_app.command("preview")
def preview_command(
    kind: _Kind,
    severity: Annotated[str, typer.Option(help="low, medium, high or critical.")] = "medium",
    subject: Annotated[str, typer.Option(help="What happened, in a few words.")] = "Example",
    text: Annotated[str, typer.Option(help="More words.")] = "",
    zones: _Zones = None,
    team: Annotated[str | None, typer.Option(help="Team of the event.")] = None,
    data: Annotated[str, typer.Option(help="Facts of the event as a JSON object.")] = "{}",
    link: Annotated[str | None, typer.Option(help="Address of the run.")] = None,
) -> None:
    """Show what would be told of an event, and to whom. Nothing is recorded or sent."""
    from smartgrid.clock import wall_clock
    from smartgrid.notifications.preview import preview
    from smartgrid.store import session

    event = _event(kind, severity, subject, text, zones, team, data, link)
    with session() as transaction:
        shown = preview(transaction, event, wall_clock())
    typer.echo(f"template: {shown.template}   place: {shown.place or '-'}")
    for one in shown.receivers:
        held = f", held until {one.held_until.isoformat()}" if one.held_until else ""
        typer.echo(f"{one.receiver} by rule {one.rule}, group {one.group}{held}: {', '.join(one.targets) or 'nobody'}")
    if shown.why_not:
        typer.echo(f"nobody is told: {shown.why_not}")
    typer.echo(f"\nSubject: {shown.message.subject}\n\n{shown.message.text}\n\nSMS and push: {shown.message.short}")


@notifications_app.command("incidents")
def incidents_command(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
) -> None:
    """Show what is open, newest first."""
    from sqlalchemy import select

    from smartgrid.store import session
    from smartgrid.store.routing_tables import Incident

    query = select(Incident).order_by(Incident.incident_id.desc()).limit(100)
    with session() as transaction:
        rows = transaction.scalars(query if everything else query.where(Incident.closed_at.is_(None))).all()
    for row in rows:
        state = row.close_reason or (f"acknowledged by {row.acknowledged_by}" if row.acknowledged_at else "open")
        typer.echo(
            f"{row.incident_id:>6} {row.severity:<8} {state:<24} {row.opened_at:%Y-%m-%d %H:%M} UTC "
            f"{row.events} events, {row.messages} messages: {row.subject or row.place}"
        )
    if not rows:
        typer.echo("nothing is open")


@notifications_app.command("acknowledge")
def acknowledge_command(
    incident: Annotated[int, typer.Argument(help="Number of the incident.")],
    by: Annotated[str | None, typer.Option(help="Who takes care of it; default: you.")] = None,
) -> None:
    """Say that somebody takes care of it: nobody else is told of it until it becomes worse."""
    from smartgrid.clock import wall_clock
    from smartgrid.notifications.incidents import acknowledge
    from smartgrid.notifications.transaction import write_transaction

    with write_transaction() as transaction:
        acknowledge(transaction, incident, by or getpass.getuser(), wall_clock())
    typer.echo(f"incident {incident} is acknowledged")


@notifications_app.command("why")
def why_command(event_id: Annotated[int, typer.Argument(help="Number of the event.")]) -> None:
    """Say who was told of an event, or why nobody was."""
    from sqlalchemy import select

    from smartgrid.store import session
    from smartgrid.store.routing_tables import RoutingDecision

    with session() as transaction:
        rows = transaction.scalars(select(RoutingDecision).where(RoutingDecision.event_id == event_id)).all()
    for row in rows:
        incident = f", incident {row.incident_id}" if row.incident_id else ""
        typer.echo(
            f"{row.receiver or 'nobody'}: {row.outcome} by rule {row.rule or '-'}{incident} {row.detail}".rstrip()
        )
    if not rows:
        typer.echo("no such event, or it is not routed yet")


@silence_app.command("add")
def silence_add(
    reason: Annotated[str, typer.Option(help="Why; people will ask.")],
    hours: Annotated[float, typer.Option(help="It ends by itself after so many hours, at most 720.")],
    kind: _Kind = "",
    zones: _Zones = None,
    substation: Annotated[str | None, typer.Option(help="Name or pattern.")] = None,
    region: Annotated[str | None, typer.Option(help="Name or pattern.")] = None,
    team: Annotated[str | None, typer.Option(help="Name or pattern.")] = None,
    severity: Annotated[
        list[str] | None, typer.Option(help="low, medium, high, critical; several are possible.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who; default: you.")] = None,
) -> None:
    """Tell nobody of what matches. Events stay in the record."""
    from smartgrid.clock import wall_clock
    from smartgrid.notifications import silences
    from smartgrid.notifications.transaction import write_transaction

    matcher = _matcher({"kind": kind, "zone": zones, "substation": substation, "region": region, "team": team,
                        "severity": severity})  # fmt: skip
    lasts = timedelta(hours=hours)
    with write_transaction() as transaction:
        row = silences.add(transaction, matcher, reason, by or getpass.getuser(), wall_clock(), lasts=lasts)
        typer.echo(f"silence {row.silence_id} until {row.expires_at:%Y-%m-%d %H:%M} UTC: {matcher.describe()}")


@silence_app.command("list")
def silence_list() -> None:
    """Show the silences in force, and those that ended in the last week."""
    from sqlalchemy import select

    from smartgrid.clock import wall_clock
    from smartgrid.notifications.matching import Matcher
    from smartgrid.store import session
    from smartgrid.store.routing_tables import SilenceRow

    now = wall_clock()
    query = select(SilenceRow).where(SilenceRow.expires_at > now - timedelta(days=7)).order_by(SilenceRow.expires_at)
    with session() as transaction:
        rows = transaction.scalars(query).all()
    for row in rows:
        state = f"ended by {row.ended_by}" if row.ended_at else "expired" if row.expires_at <= now else "in force"
        words = Matcher.model_validate(row.matcher).describe()
        until = f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{row.silence_id:>5} {state:<10} until {until} {words} ({row.created_by}: {row.reason})")
    if not rows:
        typer.echo("no silences")


@silence_app.command("end")
def silence_end(
    silence_id: Annotated[int, typer.Argument(help="Number of the silence.")],
    by: Annotated[str | None, typer.Option(help="Who; default: you.")] = None,
) -> None:
    """End a silence now."""
    from smartgrid.clock import wall_clock
    from smartgrid.notifications import silences
    from smartgrid.notifications.transaction import write_transaction

    with write_transaction() as transaction:
        silences.end(transaction, silence_id, by or getpass.getuser(), wall_clock())
    typer.echo(f"silence {silence_id} has ended")


@notifications_app.command("dead-letters")
def dead_letters_command(
    channel: Annotated[str | None, typer.Option(help="webhook, sms, push or email.")] = None,
) -> None:
    """Show what could not be delivered, newest first, and why."""
    from smartgrid.notifications.dead_letters import Which, listed

    rows = listed(Which(channel=channel, include_ambiguous=True))
    for row in rows:
        typer.echo(f"{row.delivery_id} {row.channel:<8} {row.attempts} attempts {row.recipient}: {row.reason}")
    if not rows:
        typer.echo("no dead letters")


@notifications_app.command("replay")
def replay_command(
    delivery_id: Annotated[str, typer.Argument(help="Id of a dead letter.")],
    by: Annotated[str | None, typer.Option(help="Who; default: you.")] = None,
) -> None:
    """Send a dead letter again, with the id that it had."""
    from smartgrid.notifications.dead_letters import replay

    replay(delivery_id, by or getpass.getuser())
    typer.echo(f"{delivery_id} is due again")


def _event(
    kind: str, severity: str, subject: str, text: str, zones: list[str] | None, team: str | None, data: str,
    link: str | None,
) -> Any:  # fmt: skip
    from smartgrid.store.events import SEVERITIES, Event

    try:
        facts = json.loads(data)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--data") from None
    if not isinstance(facts, dict):
        raise typer.BadParameter("not a JSON object", param_hint="--data")
    if severity not in SEVERITIES:
        raise typer.BadParameter(f"one of {', '.join(SEVERITIES)}", param_hint="--severity")
    return Event(
        kind=kind, severity=severity, subject=subject, text=text, zones=tuple(zones or ()), team=team, data=facts,
        link=link,
    )  # fmt: skip


def _matcher(given: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from smartgrid.notifications.matching import Matcher
    from smartgrid.notifications.policy_errors import problems_of

    try:
        return Matcher.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        raise typer.BadParameter("; ".join(problems_of(error))) from None
