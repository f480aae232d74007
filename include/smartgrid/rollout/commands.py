"""Commands that decide which version serves."""

from __future__ import annotations

import getpass
import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    model = typer.Typer(help="The served model: promote, roll back, history.", no_args_is_help=True)
    app.add_typer(model, name="model")

    @model.callback()
    def _group() -> None:
        """The served model: promote, roll back, history."""

    @model.command("promote")
    def promote_command(
        version: Annotated[int | None, typer.Option(help="Registered version; default: the newest.")] = None,
        reason: Annotated[str, typer.Option(help="Why; goes to the ledger.")] = "",
    ) -> None:
        """Serve a registered version. A lower one than now is a rollback."""
        from smartgrid.rollout.steps import publish

        typer.echo(json.dumps(publish(version, decided_by=getpass.getuser(), reason=reason), indent=2))

    @model.command("history")
    def history_command(
        limit: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    ) -> None:
        """The promotion ledger, newest first."""
        from smartgrid.rollout.ledger import history
        from smartgrid.settings import get_settings

        rows = history(get_settings().model_name, limit)
        if as_json:
            fields = ("decided_at", "version", "action", "decided_by", "reason", "run_id", "mlflow_run_id")
            typer.echo(json.dumps([{name: getattr(row, name) for name in fields} for row in rows], default=str))
            return
        if not rows:
            typer.echo("nothing was promoted yet")
        for row in rows:
            because = f": {row.reason}" if row.reason else ""
            typer.echo(f"{row.decided_at:%Y-%m-%d %H:%M}Z  {row.action} {row.version}  by {row.decided_by}{because}")
