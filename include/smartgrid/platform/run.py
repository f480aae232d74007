"""`make run`: from nothing to a served forecast, and the way to look at it."""

from __future__ import annotations

import time

from rich.console import Console

from smartgrid.platform.airflow_client import AirflowClient
from smartgrid.platform.display import ConsoleDisplay
from smartgrid.platform.driver import Driver
from smartgrid.platform.health import connect_url
from smartgrid.platform.pipeline_state import data_time, forecast_is_current, latest_forecast
from smartgrid.platform.programs import programs
from smartgrid.platform.results import Results, read_results, results_table
from smartgrid.platform.secrets import ensure_secrets
from smartgrid.platform.source_marker import claim_home
from smartgrid.platform.stages import stages
from smartgrid.platform.up import up
from smartgrid.settings import Settings


def run(settings: Settings) -> int:
    """Start, drive, show. Returns the exit code: 0 if a forecast of the present is served by the model."""
    console = Console()
    display = ConsoleDisplay(console)
    began = time.monotonic()
    claim_home(settings)
    up(settings, display)
    base_url = f"http://127.0.0.1:{settings.airflow_port}"
    client = AirflowClient(base_url, "admin", ensure_secrets(settings.home).password("admin"))
    with display.spinner():
        Driver(client, display).drive(stages(settings))
    results = read_results(settings)
    current = forecast_is_current(settings, latest_forecast())
    console.print()
    if results is not None:
        # A log has no width: wide enough for the table there.
        wide = console if console.is_terminal else Console(width=150)
        wide.print(results_table(results, settings.grid_timezone))
        console.print(verdict(results), highlight=False, soft_wrap=True)
    show_addresses(settings, console)
    console.print(f"Done in {time.monotonic() - began:.0f} s.", highlight=False)
    return 0 if current else 1


def verdict(results: Results) -> str:
    """One sentence on whether the served model is worth it."""
    if not results.by_model:
        return "The forecast is NOT from the served model: it fell back. See the method and reason of each row."
    version = f"version {results.served.version}" if results.served else "the model"
    scores = results.zones[0].mape_percent
    if results.beats_both is None:
        return f"Served by {version}; no backtest scores of it are in the store."
    figures = ", ".join(f"{name} {scores[name]:.2f} %" for name in ("daily_naive", "weekly_naive"))
    model = scores[results.winner or ""]
    if results.beats_both:
        return f"Served by {version}: system MAPE {model:.2f} % in the backtest beats both naive forecasts ({figures})."
    return f"Served by {version}: system MAPE {model:.2f} % does NOT beat both naive forecasts ({figures})."


def show_addresses(settings: Settings, console: Console) -> None:
    """Where to look, and the login."""
    base_url = f"http://127.0.0.1:{settings.airflow_port}"
    secrets = ensure_secrets(settings.home)
    now = data_time(settings)
    lines = [
        ("Airflow", base_url),
        ("Smart Grid page", f"{base_url}/plugin/smart-grid"),
        ("Login", f"admin / {secrets.password('admin').get_secret_value()}   (others: {secrets.passwords_file})"),
        ("MLflow", settings.tracking_uri),
        *api_addresses(settings),
        ("Model server", f"curl {settings.rest_url}/v1/models/{settings.model_name}"),
        ("Data time", now.astimezone(settings.grid_timezone).isoformat() if now else "not started"),
        ("Stop", "make stop"),
    ]
    for documents in sorted(settings.home.glob("**/data_docs/**/index.html"))[:1]:
        lines.insert(-2, ("Validation report", documents.as_uri()))
    for name, text in lines:
        console.print(f"  {name:<18} {text}", highlight=False, soft_wrap=True, markup=False)


def api_addresses(settings: Settings) -> list[tuple[str, str]]:
    """The description of each API, and how to get the token that they want."""
    apis = [program for program in programs(settings) if program.is_api]
    lines = [
        (f"{program.name.removesuffix('-api').capitalize()} API", f"{connect_url(settings, port)}/openapi.json")
        for program in apis
        for port in program.ports.values()
    ]
    return [*lines, ("API token", ".venv/bin/smartgrid platform token")] if lines else []
