"""`smartgrid powerbi ...`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

DatasetOption = Annotated[str, typer.Option("--dataset", help="Id or name of the dataset (semantic model).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this room."""
    powerbi = typer.Typer(help="Power BI: refresh datasets, look at the workspace.", no_args_is_help=True)
    app.add_typer(powerbi, name="powerbi")
    powerbi.command("refresh")(refresh_command)
    powerbi.command("cancel")(cancel_command)
    powerbi.command("workspaces")(workspaces_command)
    powerbi.command("reports")(reports_command)
    powerbi.command("datasets")(datasets_command)
    powerbi.command("token-check")(token_check_command)
    powerbi.command("project")(project_command)


def refresh_command(
    dataset: DatasetOption,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end of the refresh.")] = False,
    kind: Annotated[str | None, typer.Option("--type", help="auto, standard or enhanced.")] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Cancel it, and stop waiting, after so long.")] = None,
    quiet_s: Annotated[float | None, typer.Option(help="Start when no request came for so long.")] = None,
    key: Annotated[str | None, typer.Option(help="Name of this request: repeated after a crash, it goes on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Refresh a dataset, once for all who ask at the same time, within the daily budget.

    Exit code 0: completed (without --wait: started). 1: no known end yet, try again. 2: settings, credentials or
    rights. 3: failed, cancelled, disabled, timed out, refused, or the budget is spent.
    """
    from smartgrid.powerbi.errors import RefreshNotCompleted
    from smartgrid.powerbi.refresh import flow_for
    from smartgrid.powerbi.refresh_wait import RefreshWait, wait_for
    from smartgrid.powerbi.store_ready import store_ready

    given = {"refresh_type": kind, "refresh_timeout_s": timeout_s, "coalesce_s": quiet_s}
    flow = flow_for(dataset, _checked(given))
    store_ready()
    request_id = flow.store.open_request(key, f"command of {os.environ.get('USER', 'unknown')}")
    if not wait:
        import time

        waiting = RefreshWait(flow, request_id)
        while flow.outcome(request_id) is None and not _is_running(flow.serving(request_id)):
            step = waiting.advance()
            time.sleep(getattr(step, "seconds", 0.0) if not _is_running(flow.serving(request_id)) else 0.0)
        if flow.outcome(request_id) is None:
            _say(as_json, {"state": "started", "dataset_id": flow.dataset_id}, "started")
            return
    outcome = wait_for(flow, request_id)
    flow.store.delivered(request_id)
    if as_json:
        typer.echo(json.dumps(asdict(outcome)))
    if not outcome.completed:
        raise RefreshNotCompleted(flow.dataset_id, outcome.state, outcome.detail)
    _say(as_json, None, f"completed: dataset {flow.dataset_id}, refresh {outcome.service_id}, ended {outcome.ended_at}")


def cancel_command(dataset: DatasetOption, as_json: JsonOption = False) -> None:
    """Cancel the refresh of a dataset that runs now; only an enhanced one can be cancelled."""
    from smartgrid.powerbi.access import Access
    from smartgrid.powerbi.cancel import cancel_running
    from smartgrid.powerbi.client import PowerBiClient

    client = PowerBiClient(Access.from_settings())
    cancelled = cancel_running(client, client.dataset_id(dataset))
    text = f"asked to cancel {', '.join(cancelled)}" if cancelled else "no refresh runs"
    _say(as_json, {"cancelled": cancelled}, text)


def workspaces_command(as_json: JsonOption = False) -> None:
    """List the workspaces that the service principal sees."""
    rows = [asdict(one) for one in _client().workspaces()]
    _table(as_json, rows, ("workspace_id", "name", "dedicated_capacity"))


def reports_command(as_json: JsonOption = False) -> None:
    """List the reports of the workspace."""
    rows = [asdict(one) for one in _client().reports()]
    _table(as_json, rows, ("report_id", "name", "dataset_id", "paginated"))


def datasets_command(as_json: JsonOption = False) -> None:
    """List the datasets of the workspace."""
    rows = [asdict(one) for one in _client().datasets()]
    _table(as_json, rows, ("dataset_id", "name", "refreshable", "needs_identity"))


def token_check_command(as_json: JsonOption = False) -> None:
    """Sign in and read the workspace; says what is missing. The token itself is not shown."""
    client = _client()
    client.tokens.token()
    workspace = client.workspace()
    facts = {"signed_in": True, "workspace": workspace.name, "dedicated_capacity": workspace.dedicated_capacity}
    kind = "dedicated capacity, enhanced refreshes" if workspace.dedicated_capacity else "shared, standard refreshes"
    _say(as_json, facts, f"signed in; workspace {workspace.name} ({kind})")


def _client() -> Any:
    from smartgrid.powerbi.access import Access
    from smartgrid.powerbi.client import PowerBiClient

    return PowerBiClient(Access.from_settings())


def _is_running(refresh: Any) -> bool:
    return refresh is not None and refresh.state == "running"


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Options by the same rules as the settings.

    Raises:
        ConfigurationError
    """
    from pydantic import ValidationError

    from smartgrid.errors import ConfigurationError
    from smartgrid.powerbi.access import effective

    try:
        effective(given)
    except ValidationError as error:
        raise ConfigurationError([f"{one['loc'][0]}: {one['msg']}" for one in error.errors()]) from None
    return given


def _say(as_json: bool, facts: dict[str, Any] | None, text: str) -> None:
    if not as_json:
        typer.echo(text)
    elif facts is not None:
        typer.echo(json.dumps(facts))


def _table(as_json: bool, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    widths = [max([len(name), *(len(str(row[name])) for row in rows)]) for name in columns]
    for cells in [list(columns), *([str(row[name]) for name in columns] for row in rows)]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def project_command(
    folder: Annotated[Path, typer.Argument(help="Where to write SmartGrid.pbip and what belongs to it.")],
) -> None:
    """Write the Power BI project over the reporting views: a semantic model and a report."""
    from smartgrid.powerbi.project import write_project

    typer.echo(f"wrote {len(write_project(folder))} files to {folder}")
