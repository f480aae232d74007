"""The `smartgrid` command. Each room adds its commands in its own `commands.py`; this file only gathers them.

A command that needs the ML environment and is called in the other one runs itself there, so that either `smartgrid`
works.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from smartgrid.errors import SmartGridError

app = typer.Typer(
    name="smartgrid",
    help="Analytics and MLOps layer of a grid operator.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")

# Commands that run without the ML environment; everything else re-executes itself there.
LIGHT = {"config", "platform", "store", "powerbi", "notifications"}
# Steps of these rooms run where they are called: the libraries that they need are in Airflow's environment only.
LIGHT_STEPS = ("notifications.", "powerbi.")
# Rooms with commands: module -> what it registers with `register(app)`.
ROOMS = (
    "smartgrid.ingest.commands",
    "smartgrid.quality.commands",
    "smartgrid.automl.commands",
    "smartgrid.registry.commands",
    "smartgrid.rollout.commands",
    "smartgrid.forecasting.commands",
    "smartgrid.mining.commands",
    "smartgrid.powerbi.commands",
    "smartgrid.store.commands",
    "smartgrid.notifications.commands",
    "smartgrid.platform.commands",
)


@config_app.command("show")
def config_show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print every setting in force, secrets hidden, and what it means."""
    from smartgrid.settings import Settings, config_path, get_settings

    values = get_settings().model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    typer.echo(f"# settings file: {config_path() or 'none (set SMARTGRID_CONFIG)'}")
    for name, field in Settings.model_fields.items():
        value = values[name]
        if isinstance(value, dict):
            for inner, inner_value in value.items():
                typer.echo(f"SMARTGRID_{name.upper()}__{inner.upper()} = {_shown(inner_value)}")
            continue
        note = f"    # {field.description}" if field.description else ""
        typer.echo(f"SMARTGRID_{name.upper()} = {_shown(value)}{note}")


def _shown(value: object) -> str:
    return json.dumps(value) if not isinstance(value, str) else value


@app.command("step")
def step(
    name: Annotated[str, typer.Argument(help="Name of the step, e.g. ingest.ingest.")],
    arguments: Annotated[str, typer.Option(help="Keyword arguments as a JSON object.")] = "{}",
    result_file: Annotated[Path | None, typer.Option(help="Write the JSON result here (atomically).")] = None,
) -> None:
    """Run one pipeline step as Airflow would; prints its JSON result as the last line."""
    from smartgrid.lake.files import write_bytes
    from smartgrid.steps import BadStepArguments, run_step

    try:
        parsed = json.loads(arguments)
    except json.JSONDecodeError as error:
        raise BadStepArguments(name, f"--arguments is not JSON ({error})", "a JSON object") from None
    if not isinstance(parsed, dict):
        raise BadStepArguments(name, "--arguments is not a JSON object", "a JSON object")
    result = json.dumps(run_step(name, parsed))
    if result_file is not None:
        write_bytes(str(result_file), result.encode())
    typer.echo(result)


def main() -> None:
    """Entry point: errors of the family end with a message and their exit code, not with a traceback."""
    # Our own lines from INFO, the libraries' from WARNING: Great Expectations alone writes fifty otherwise.
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("smartgrid").setLevel(logging.INFO)
    try:
        command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "--help")
        light = command in LIGHT or _is_light_step(sys.argv[1:])
        if not light:
            _hand_over_to_ml_environment()
        for room in ROOMS:
            if light and room != f"smartgrid.{command}.commands":
                continue  # the other rooms may need what this environment lacks
            if importlib.util.find_spec(room) is not None:
                importlib.import_module(room).register(app)
        app()
    except SmartGridError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(error.exit_code)


def _is_light_step(arguments: list[str]) -> bool:
    """Whether this is `step NAME` of a room whose steps run in this environment."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    return words[:1] == ["step"] and words[1:2] != [] and words[1].startswith(LIGHT_STEPS)


def _hand_over_to_ml_environment() -> None:
    if importlib.util.find_spec("sklearn") is not None:
        return
    from smartgrid.settings import get_settings

    python = get_settings().step_python
    # The second: without the libraries it would start itself again and again.
    if not python.exists() or python == Path(sys.executable):
        raise EnvironmentMissing(python)
    os.execv(python, [str(python), "-m", "smartgrid", *sys.argv[1:]])  # noqa: S606 - replaces this process on purpose


class EnvironmentMissing(SmartGridError):
    """The ML environment is not installed."""

    exit_code = 2

    def __init__(self, python: Path) -> None:
        self.python = python
        problem = "has no scikit-learn" if python.exists() else "does not exist"
        super().__init__(
            f"{python} {problem}. Run `make setup`, or point SMARTGRID_STEP_PYTHON at the Python of the ML environment."
        )
