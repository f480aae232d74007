"""Commands of the model registry, and those that end in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from smartgrid.registry.reproduce_command import reproduce_command
from smartgrid.registry.tournament_command import tournament_command


def register(app: typer.Typer) -> None:
    app.command("tournament")(tournament_command)
    app.command("reproduce")(reproduce_command)
    registry = typer.Typer(help="Registered model versions (MLflow).", no_args_is_help=True)
    app.add_typer(registry, name="registry")

    @registry.callback()
    def _group() -> None:
        """Registered model versions (MLflow)."""

    @registry.command("list")
    def list_command(
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    ) -> None:
        """Versions of the load model, newest first."""
        from smartgrid.registry.versions import versions

        found = versions()
        if as_json:
            typer.echo(json.dumps([asdict(version) for version in found], default=str))
            return
        if not found:
            typer.echo("no version is registered")
        for version in found:
            aliases = f"  [{', '.join(version.aliases)}]" if version.aliases else ""
            typer.echo(
                f"version {version.version}  {version.registered_at:%Y-%m-%d %H:%M}Z  {version.winner}  "
                f"run {version.run_id}{aliases}"
            )

    @registry.command("register")
    def register_command(run_id: Annotated[str, typer.Argument(help="Training run whose winner to register.")]) -> None:
        """Export the winner of a training run and register it; safe to repeat."""
        from smartgrid.registry.steps import register as register_step

        typer.echo(json.dumps(register_step(run_id), indent=2))
