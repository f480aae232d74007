"""`smartgrid tournament`: train, judge, register the winner as challenger. Needs neither Airflow nor a server."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from typing import Annotated, Any

import typer

from smartgrid.automl.snapshot import TemperatureChoice
from smartgrid.errors import SmartGridError


def tournament_command(
    preset: Annotated[str, typer.Option(help="smoke (minutes), standard or thorough.")] = "standard",
    trainers: Annotated[str, typer.Option(help="Comma-separated; default: the settings' trainers.")] = "",
    total_budget_s: Annotated[
        float | None, typer.Option(min=1, help="Seconds of search for all trainers together; default: the preset's.")
    ] = None,
    history_days: Annotated[int | None, typer.Option(min=28, help="Days before the test window.")] = None,
    backtest_days: Annotated[int | None, typer.Option(min=7, help="Days of the test window.")] = None,
    temperature: Annotated[TemperatureChoice, typer.Option(help="forecast, actual, none or auto.")] = "auto",
    key: Annotated[str, typer.Option(help="Name it to continue a tournament; default: a new one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Hold a tournament of all trainers and register the winner, as challenger if it passed the gate.

    Nothing is promoted. Progress goes to standard error. An empty lake is filled from the configured source first.
    MLflow is the server of the settings, else the local one if it runs, else its database in SMARTGRID_HOME.
    """
    from smartgrid.automl.tournament import Entry

    entry = Entry(
        preset=preset,
        trainers=[name.strip() for name in trainers.split(",") if name.strip()],
        total_budget_s=total_budget_s,
        history_days=history_days,
        backtest_days=backtest_days,
        temperature=temperature,
        key=key or uuid.uuid4().hex,
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # progress is read by people
    # Standard output is for the result; libraries print.
    with contextlib.redirect_stdout(sys.stderr):
        result, failure = hold_and_register(entry)
    typer.echo(json.dumps(result) if as_json else _text(result))
    if failure is not None:
        raise failure


def hold_and_register(entry: Any) -> tuple[dict[str, Any], SmartGridError | None]:
    """The result of the command, and what kept a winner from being registered."""
    from smartgrid.automl.judge import NoCandidates
    from smartgrid.automl.tournament import hold, usage
    from smartgrid.registry.mlflow_registry import log_failed
    from smartgrid.registry.run_folder import RunFolder
    from smartgrid.registry.steps import register
    from smartgrid.registry.tracking import public_uri
    from smartgrid.settings import get_settings

    began = time.monotonic()
    settings = get_settings()
    result: dict[str, Any] = {"run_id": None, "preset": entry.preset}

    def progress(line: str) -> None:
        typer.echo(f"[{time.monotonic() - began:6.1f} s] {line}", err=True)

    try:
        board = hold(settings, entry, progress)
    except NoCandidates as nobody:
        rows = [{"candidate": name, "failed": reason} for name, reason in nobody.reasons.items()]
        result |= {"run_id": nobody.run_id, "leaderboard": rows, "winner": None, "gate_passed": False}
        result |= {"verdict": str(nobody), "registered": None, "mlflow_run_id": log_failed(RunFolder(nobody.run_id))}
        return result, nobody
    run = RunFolder(board["run_id"])
    result |= {"run_id": run.run_id, "leaderboard": board["rows"], "winner": board["winner"]}
    result |= {"gate_passed": board["gate_passed"], "verdict": board["verdict"], "registered": None}
    failure: SmartGridError | None = None
    progress("registering the winner")
    try:
        # Also a winner that the gates refused: who holds a tournament by hand wants to look at what came out.
        step = register(run.run_id, refused_too=True)
        result["registered"] = _registered(run, step, str(board["winner"]), challenger=board["gate_passed"])
    except SmartGridError as error:
        # The tournament is done and kept: `smartgrid registry register RUN_ID` takes up here.
        result["not_registered"], failure = f"{type(error).__name__}: {error}", error
    result |= {
        "used": usage(run.run_id) | {"total_s": round(time.monotonic() - began, 1)},
        "report": str(run.path / "report.md"),
        "picture": str(run.path / "plots" / "tournament.png"),
        "run_folder": str(run.path),
        "tracking_uri": public_uri(settings),
    }
    return result, failure


def _registered(run: Any, step: dict[str, Any], winner: str, *, challenger: bool) -> dict[str, Any]:
    from pathlib import Path

    from smartgrid.registry.candidate_repository import candidate_repository
    from smartgrid.registry.versions import CHALLENGER

    version = int(step["mlflow_version"])
    base = candidate_repository(run.path, Path(step["saved_model"]), step["model_name"], version)
    return {
        "model_name": step["model_name"],
        "version": version,
        "alias": CHALLENGER if challenger else None,
        "mlflow_run_id": step["mlflow_run_id"],
        "saved_model": step["saved_model"],
        "saved_model_sha256": step["saved_model_sha256"],
        "max_relative_difference": step["max_relative_difference"],
        "model": str(run.path / "candidates" / winner / "model.joblib"),
        "model_base_path": str(base),
        "serve": f"python -m tf_serving.embedded --model_name={step['model_name']} --model_base_path={base}",
    }


def _text(result: dict[str, Any]) -> str:
    lines = [f"run {result['run_id']} ({result['preset']}): {result['verdict']}"]
    for row in result["leaderboard"]:
        if row.get("failed"):
            note = str(row["failed"]).splitlines()[0]
        else:
            mape, mase = row.get("mape_percent"), row.get("mase")
            note = f"MAPE {_number(mape, 2)} %   MASE {_number(mase, 3)}   {row.get('reason') or ''}"
        lines.append(f"  {row['candidate']:20} {note}")
    if registered := result["registered"]:
        alias = registered["alias"] or "refused by the gates: not for promotion"
        lines.append(f"registered as {registered['model_name']} version {registered['version']} ({alias})")
        lines.append(f"try it:  {registered['serve']}")
        if registered["alias"]:
            lines.append(f"promote: smartgrid model promote --version {registered['version']}")
    else:
        lines.append(f"not registered: {result.get('not_registered', 'there is no candidate')}")
    if "report" in result:
        lines += [f"report:  {result['report']}", f"MLflow:  {result['tracking_uri']}"]
    return "\n".join(lines)


def _number(value: Any, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
