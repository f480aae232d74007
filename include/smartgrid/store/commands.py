"""Commands of the results store."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    store = typer.Typer(help="Results store.", no_args_is_help=True)
    app.add_typer(store, name="store")

    @store.callback()
    def _group() -> None:
        """Results store."""

    @store.command("migrate")
    def migrate_command() -> None:
        """Bring the store to the newest schema; safe to repeat."""
        from smartgrid.store import migrate

        typer.echo(f"store at revision {migrate()}")
