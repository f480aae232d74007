"""Commands of the platform: what `make run`, `make stop` and `make status` call."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    platform = typer.Typer(help="Start, watch and stop the platform on this machine.", no_args_is_help=True)
    app.add_typer(platform, name="platform")

    @platform.command("run")
    def run_command() -> None:
        """Start what is not running, run the pipeline to a served forecast, print it. Safe to repeat."""
        from smartgrid.platform.run import run
        from smartgrid.settings import get_settings

        raise typer.Exit(run(get_settings()))

    @platform.command("up")
    def up_command() -> None:
        """Start every process and wait until all are healthy."""
        from rich.console import Console

        from smartgrid.platform.display import ConsoleDisplay
        from smartgrid.platform.up import up
        from smartgrid.settings import get_settings

        up(get_settings(), ConsoleDisplay(Console()))

    @platform.command("down")
    def down_command() -> None:
        """End every process that `run` or `up` started, and nothing else."""
        from smartgrid.platform.supervisor import platform_lock, stop
        from smartgrid.settings import get_settings

        settings = get_settings()
        with platform_lock(settings):
            ended = stop(settings)
        typer.echo(f"stopped {ended} processes" if ended else "nothing was running")

    @platform.command("status")
    def status_command() -> None:
        """State, health, port and log of each process; exit code 1 if one is not well."""
        from smartgrid.platform.status import print_status
        from smartgrid.settings import get_settings

        raise typer.Exit(0 if print_status(get_settings()) else 1)

    @platform.command("token")
    def token_command(
        user: Annotated[
            str, typer.Option(help="A user of the platform: admin, approver, operator or viewer.")
        ] = "admin",
    ) -> None:
        """Print a bearer token for the APIs, made by Airflow's login; valid for four hours."""
        from smartgrid.platform.api_token import bearer_token
        from smartgrid.settings import get_settings

        typer.echo(bearer_token(get_settings(), user))

    @platform.command("logs")
    def logs_command(
        program: Annotated[str, typer.Argument(help="Name from `smartgrid platform status`.")],
        lines: Annotated[int, typer.Option(help="How many lines from the end.")] = 50,
    ) -> None:
        """Print the end of a process's log."""
        from smartgrid.platform.status import log_tail
        from smartgrid.settings import get_settings

        typer.echo(log_tail(get_settings(), program, lines))

    @platform.command(
        "airflow", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    )
    def airflow_command(context: typer.Context) -> None:
        """Run Airflow's own command with the platform's configuration, e.g. `airflow dags list`."""
        import os
        import sys

        from smartgrid.platform.programs import airflow_command_environment
        from smartgrid.settings import get_settings

        environment = airflow_command_environment(get_settings())
        arguments = [sys.executable, "-m", "airflow", *context.args]
        os.execve(sys.executable, arguments, environment)  # noqa: S606 - replaces this process on purpose
