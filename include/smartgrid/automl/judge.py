"""Compare the candidates of a run with each other and with both naive forecasts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import delete

from smartgrid.automl.candidate import fit_winner, moment
from smartgrid.automl.run_folder import Snapshot, candidate_folder, folder, load_json, load_snapshot, save_json
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import NAIVES, SYSTEM, naive, system_total
from smartgrid.evaluation.metrics import Scores, score
from smartgrid.evaluation.scale import weekly_naive_scales
from smartgrid.lake import read_parquet
from smartgrid.store import session
from smartgrid.store.models import BacktestScore, TrainingRun


class NoCandidates(SmartGridError):
    """Not one candidate of a run can be judged."""

    exit_code = 3  # trying again would find the same

    def __init__(self, run_id: str, reasons: dict[str, str]) -> None:
        self.run_id, self.reasons = run_id, reasons
        said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "none was trained"
        super().__init__(f"Run {run_id} has no usable candidate ({said}). The model in service stays.")


def judge_run(run_id: str, expected: list[str] | None = None) -> dict[str, Any]:
    """Score every candidate on the backtest window, name the winner, fit it on all data and decide the gate.

    `expected` names the trainers that took part: one that left no result is listed as failed.
    The gate passes when the winner beats both naive forecasts on the system total, by MAPE and by MASE. Scores and
    verdict go to the run's folder and, in one transaction, to the store.

    Raises:
        UnknownRun, NoCandidates
    """
    snapshot = load_snapshot(run_id)
    outcomes = [load_json(path) for path in sorted((folder(run_id) / "candidates").glob("*/candidate.json"))]
    failed = {outcome["trainer"]: outcome["failed"] for outcome in outcomes if outcome.get("failed")}
    known = {outcome["trainer"] for outcome in outcomes}
    failed |= {name: "left no result: its process was ended" for name in expected or [] if name not in known}
    trained = {outcome["trainer"]: outcome for outcome in outcomes if not outcome.get("failed")}
    if not trained:
        raise NoCandidates(run_id, failed)
    scores = _all_scores(snapshot, list(trained))
    rows = _leaderboard(scores, trained, failed)
    winner = next(row["candidate"] for row in rows if row["candidate"] in trained)
    passed, verdict = _gate(scores, winner)
    result = {
        "run_id": run_id,
        "winner": winner,
        "gate_passed": passed,
        "verdict": verdict,
        "rows": rows,
        "zones": [
            {"candidate": name, "zone": zone, **values.as_dict()}
            for (name, zone), values in sorted(scores.items())
            if zone != SYSTEM
        ],
        "temperature": snapshot.temperature,
        "window": {"start": snapshot.backtest_start.isoformat(), "end": snapshot.end.isoformat()},
    }
    fit_winner(snapshot, winner)
    save_json(folder(run_id) / "leaderboard.json", result)
    _store(snapshot, scores, rows, winner, passed, verdict)
    return result


def _all_scores(snapshot: Snapshot, trainers: list[str]) -> dict[tuple[str, str], Scores]:
    scales = weekly_naive_scales(read_parquet(snapshot.measurements), snapshot.backtest_start)
    tables = {name: pl.read_parquet(candidate_folder(snapshot.run_id, name) / "backtest.parquet") for name in trainers}
    frame = snapshot.frame(snapshot.backtest_start)
    for method in NAIVES:
        tables[method] = naive(frame, moment(snapshot.backtest_start), moment(snapshot.end), method)
    scores: dict[tuple[str, str], Scores] = {}
    for name, table in tables.items():
        for (zone,), part in pl.concat([table, system_total(table)]).group_by("zone", maintain_order=True):
            scores[name, str(zone)] = score(
                part["actual_kw"].to_numpy(), part["predicted_kw"].to_numpy(), scales.get(str(zone))
            )
    return scores


def _leaderboard(
    scores: dict[tuple[str, str], Scores], trained: dict[str, Any], failed: dict[str, str]
) -> list[dict[str, Any]]:
    """Candidates and naive forecasts by the MAPE of the system total, best first; failures last with their reason."""
    rows = []
    for (name, zone), values in scores.items():
        if zone != SYSTEM:
            continue
        details = trained.get(name, {})
        rows.append(
            {
                "candidate": name,
                "zone": SYSTEM,
                **values.as_dict(),
                **{key: details[key] for key in ("search_s", "wall_s", "cpu_s") if key in details},
            }
        )
    rows.sort(key=lambda row: (row["mape_percent"] is None, row["mape_percent"] or 0.0, row["rmse_kw"] or 0.0))
    return rows + [{"candidate": name, "zone": SYSTEM, "failed": reason} for name, reason in sorted(failed.items())]


def _gate(scores: dict[tuple[str, str], Scores], winner: str) -> tuple[bool, str]:
    own = scores[winner, SYSTEM]
    lost_to = []
    for method in NAIVES:
        other = scores[method, SYSTEM]
        for metric in ("mape_percent", "mase"):
            mine, theirs = getattr(own, metric), getattr(other, metric)
            if mine is None or (theirs is not None and mine >= theirs):
                lost_to.append(f"{method} by {metric}")
    if lost_to:
        return False, f"{winner} does not beat {', '.join(lost_to)}; the model in service stays"
    return True, f"{winner} beats both naive forecasts on the system total (MAPE {own.mape_percent:.2f} %)"


def _store(
    snapshot: Snapshot,
    scores: dict[tuple[str, str], Scores],
    rows: list[dict[str, Any]],
    winner: str,
    passed: bool,
    verdict: str,
) -> None:
    run_id = snapshot.run_id
    with session() as transaction:
        transaction.execute(delete(BacktestScore).where(BacktestScore.run_id == run_id))
        for (name, zone), values in scores.items():
            transaction.add(BacktestScore(run_id=run_id, candidate=name, zone=zone, **values.as_dict()))
        run = transaction.get(TrainingRun, run_id) or TrainingRun(run_id=run_id, started_at=datetime.now(UTC))
        run.window_start, run.window_end = snapshot.backtest_start, snapshot.end
        run.data_sha256, run.temperature = snapshot.measurements.sha256, snapshot.temperature
        run.winner, run.gate_passed, run.verdict, run.leaderboard = winner, passed, verdict, rows
        transaction.add(run)
