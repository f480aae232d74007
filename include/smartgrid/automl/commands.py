"""Commands of training: backtest, retrain."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from smartgrid.automl.snapshot import TemperatureChoice


def register(app: typer.Typer) -> None:
    app.command("backtest")(backtest_command)
    app.command("retrain")(retrain_command)


def backtest_command(
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First local day; default: the last days of the data.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=730, help="Length of the backtest.")] = 56,
    trainer: Annotated[str, typer.Option(help="per_hour_ridge, tpot, autokeras or h2o.")] = "per_hour_ridge",
    temperature: Annotated[
        TemperatureChoice, typer.Option(help="Temperature of the target day: forecast, actual (flatters), none, auto.")
    ] = "auto",
    system_total: Annotated[bool, typer.Option("--system-total", help="Forecast the sum of all zones.")] = False,
    zone: Annotated[list[str] | None, typer.Option(help="Only these zones; repeatable.")] = None,
    history_days: Annotated[int, typer.Option(min=28, help="Days of history before the first day.")] = 1400,
    budget_s: Annotated[float, typer.Option(min=1, help="Seconds for a trainer that searches.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Backtest one trainer with weekly refits, beside both naive forecasts."""
    from smartgrid.automl.backtest_command import backtest
    from smartgrid.automl.trainer import Budget
    from smartgrid.settings import get_settings

    settings = get_settings()
    result = backtest(
        settings,
        trainer_name=trainer,
        start=start.date() if start else None,
        days=days,
        temperature=temperature,
        system_total_only=system_total,
        zones=zone,
        history_days=history_days,
        budget=Budget(wall_s=budget_s, memory_mb=settings.training.memory_limit_mb, seed=settings.training.seed),
        progress=lambda line: typer.echo(line, err=True),
    )
    if as_json:
        typer.echo(json.dumps(result))
        return
    columns = ("mape_percent", "mase", "rmse_kw", "bias_kw")
    table = [(f"{trainer}, {result['zone']}", result)]
    table += [(f"{method}, {result['zone']}", values) for method, values in result["naive"].items()]
    table += [(f"{trainer}, {name}", values) for name, values in result["zones"].items()]
    typer.echo(
        f"{days} days from {result['start']}, temperature: {result['temperature']}, data from the {result['data']}"
    )
    typer.echo(f"{'':36}" + "".join(f"{column:>14}" for column in columns))
    for name, values in table:
        typer.echo(f"{name:36}" + "".join(_number(values[column]) for column in columns))


def retrain_command(
    trainers: Annotated[str, typer.Option(help="Comma-separated; default: the settings' trainers.")] = "",
    budget_s: Annotated[float | None, typer.Option(min=1, help="Seconds of search for each trainer.")] = None,
    history_days: Annotated[int | None, typer.Option(min=28, help="Days of history before the backtest.")] = None,
    backtest_days: Annotated[int | None, typer.Option(min=7, help="Days of the backtest.")] = None,
    temperature: Annotated[TemperatureChoice, typer.Option(help="forecast, actual, none or auto.")] = "auto",
    key: Annotated[str, typer.Option(help="Tells runs on the same data apart.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train all trainers on the data known now, backtest and judge them: what the DAG does, in one command."""
    from smartgrid.automl import steps
    from smartgrid.settings import get_settings

    taken = steps.snapshot(history_days, backtest_days, temperature, key)
    names = [name.strip() for name in trainers.split(",") if name.strip()] or get_settings().training.trainers
    for name in names:
        steps.train(taken["run_id"], name, budget_s)
    result = steps.judge(taken["run_id"])
    if as_json:
        typer.echo(json.dumps(result))
        return
    typer.echo(f"run {result['run_id']}: {result['verdict']}")
    for row in result["leaderboard"]:
        note = row.get("failed") or f"MAPE {row['mape_percent']:.2f} %   MASE {row.get('mase') or float('nan'):.3f}"
        typer.echo(f"  {row['candidate']:20} {note}")


def _number(value: Any) -> str:
    return f"{'-':>14}" if value is None else f"{value:>14,.3f}"
