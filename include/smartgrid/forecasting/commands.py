"""Command of the day-ahead forecast."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("forecast")(forecast_command)


def forecast_command(
    issue_time: Annotated[
        str | None, typer.Option(help="ISO 8601 with offset; the local day that begins then is forecast.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Forecast the coming day of every zone through the model server and store it."""
    from sqlalchemy import select

    from smartgrid.forecasting.steps import forecast
    from smartgrid.lake.measurements import natural_sorted
    from smartgrid.store import session
    from smartgrid.store.models import Forecast

    result = forecast(issue_time)
    if as_json:
        typer.echo(json.dumps(result))
        return
    issued = datetime.fromisoformat(result["issue_time"])
    with session() as transaction:
        rows = transaction.scalars(select(Forecast).where(Forecast.issue_time == issued)).all()
    typer.echo(f"issued {result['issue_time']}, temperature: {result['temperature']}, methods: {result['methods']}")
    typer.echo(f"{'zone':16}{'mean kW':>14}{'peak kW':>14}  peak at (UTC)")
    for zone in natural_sorted({row.zone for row in rows}):
        own = [row for row in rows if row.zone == zone]
        peak = max(own, key=lambda row: row.load_kw)
        mean = sum(row.load_kw for row in own) / len(own)
        typer.echo(f"{zone:16}{mean:>14,.0f}{peak.load_kw:>14,.0f}  {peak.target_time:%Y-%m-%d %H:%M}")
