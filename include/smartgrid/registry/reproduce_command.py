"""`smartgrid reproduce`: retrain a run from what it recorded and say what differs."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Annotated, Any

import typer


def reproduce_command(
    run_id: Annotated[str, typer.Argument(help="Training run, or its MLflow run id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Retrain a run from its recorded data, seed and budgets, and report every difference. Registers nothing."""
    from smartgrid.automl.reproduce import reproduce
    from smartgrid.registry.mlflow_run import our_run_id

    with contextlib.redirect_stdout(sys.stderr):
        result = reproduce(our_run_id(run_id), lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(result) if as_json else _text(result))


def _text(result: dict[str, Any]) -> str:
    lines = [f"run {result['run_id']}, repeated as {result['again']}; data and seed {result['seed']} as recorded"]
    for name, values in result["environment"].items():
        lines.append(f"  {name}: {values['recorded']} then, {values['now']} now")
    for row in result["trainers"]:
        if row["difference"] is None:
            lines.append(f"  {row['trainer']:20} {row['failed_now'] or row['failed'] or 'no forecast'}")
        else:
            change = f"MAPE {row['mape_percent']:.4f} % then, {row['mape_percent_now']:.4f} % now"
            lines.append(f"  {row['trainer']:20} {change} ({row['difference']:+.4f})")
    winner = result["winner"]
    if winner.get("largest_relative_difference") is not None:
        largest = f"{winner['largest_difference_kw']:.3g} kW ({winner['largest_relative_difference']:.1e} relative)"
        lines.append(f"winner {winner['trainer']}, retrained: predictions differ by at most {largest}")
    else:
        lines.append(f"winner {winner['trainer']}: {winner.get('reason', 'nothing to compare')}")
    if again := winner.get("recipe_fitted_again"):
        lines.append(f"its recorded recipe fitted again: {again['kw']:.3g} kW ({again['relative']:.1e} relative)")
    lines.append("identical" if result["identical"] else "not identical")
    return "\n".join(lines)
