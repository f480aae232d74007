"""Choose the winner of a run on the selection window, judge it on the test window, and decide the gates.

What leaderboard.json holds (times ISO 8601, loads kW, errors of the test window unless named otherwise):

- `run_id`, `winner`, `gate_passed`, `verdict` (one sentence), `temperature`, `refit_policy`, `confidence`
- `window` and `selection_window`: `start`, `end`; `chosen_on`: `selection_window`, or `test_window` without one
- `rows`: the system total of every candidate, both naive forecasts and the model in service (`champion`), best first:
  `candidate`, `mape_percent`, `mase`, `rmse_kw`, `bias_kw`, `rows`, `selection_mape_percent`, `search_s`, `wall_s`,
  `cpu_s`, `size_mb`, `ms_per_row`, `largest_difference`, `export_s`, `winner`, `members` (ensemble: weight by member),
  `reason` (why it is not the winner); failed ones last, with `failed`
- `zones`: the same metrics by `candidate` and `zone`
- `comparisons`: paired bootstraps of the selection window: `candidate`, `against`, `metric`, `challenger`, `other`,
  `difference`, `low`, `high`, `days`, `outcome`
- `champion`: None, or `version`, `run_id`, `trainer`, `unavailable` (why there is nothing to compare with), and `duel`
  with `won`, `reason` and the comparisons with its `refitted` recipe and with the model as it `served` (total, and
  `served_by_zone`)
- `slices`: metrics by `candidate` (the winner, `champion`, and `champion_as_served` on the days after its data) and
  `slice`, with `days`
- `regimes`: metrics by `temperature` (actual, forecast, none), or a `reason`
- `quantiles`: None, or `coverage_percent`, `width_percent`, `mean_pinball_kw`, `pinball_kw_q10`, ...; see
  automl.quantiles
- `gates`: `gate`, `metric`, `slice`, `comparison`, `value`, `limit`, `passed` (None: not applied, see `note`),
  `severity`, `owner`, `reason`
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import delete

from smartgrid.automl.candidate import fit_winner, moment
from smartgrid.automl.champion import champion_of
from smartgrid.automl.cost import cost_of
from smartgrid.automl.duel import duel
from smartgrid.automl.ensemble import ENSEMBLE, mean_table
from smartgrid.automl.ensemble_candidate import ensemble_outcome, keep_ensemble
from smartgrid.automl.leaderboard import CHAMPION, leaderboard_rows, zone_scores
from smartgrid.automl.quantiles import calibrate_winner
from smartgrid.automl.regime_backtest import compare_regimes
from smartgrid.automl.run_folder import Snapshot, candidate_folder, folder, load_json, load_snapshot, save_json
from smartgrid.automl.selection import choose
from smartgrid.automl.verdict import SERVED, beside_served, facts_of, sentence
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import (
    FOUR_WEEKLY,
    FOUR_WEEKLY_MAX_FIT_S,
    NAIVES,
    SYSTEM,
    WEEKLY,
    WEEKLY_MAX_FIT_S,
    naive,
    system_total,
)
from smartgrid.evaluation.gate_policy import load_policy
from smartgrid.evaluation.gates import GateResult, check, passes
from smartgrid.evaluation.metrics import Scores, score
from smartgrid.evaluation.plausibility import plausibility
from smartgrid.evaluation.scale import weekly_naive_scales
from smartgrid.evaluation.slices import DayKinds, slice_scores
from smartgrid.features.frame import FeatureFrame
from smartgrid.lake import read_parquet
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import BacktestScore, TrainingRun

log = logging.getLogger(__name__)

ALLOWED_DIFFERENCE = 1e-6  # relative, of the export; a larger one is another model
REFIT_POLICY = (
    f"at the start of both windows and every {WEEKLY} days; every {FOUR_WEEKLY} days where the first fit takes more "
    f"than {WEEKLY_MAX_FIT_S:g} s, once a window where it takes more than {FOUR_WEEKLY_MAX_FIT_S:g} s"
)
Tables = dict[str, pl.DataFrame]
Outcome = dict[str, Any]


class NoCandidates(SmartGridError):
    """Not one candidate of a run can be judged."""

    exit_code = 3  # trying again would find the same

    def __init__(self, run_id: str, reasons: dict[str, str]) -> None:
        self.run_id, self.reasons = run_id, reasons
        said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "none was trained"
        super().__init__(f"Run {run_id} has no usable candidate ({said}). The model in service stays.")


def judge_run(run_id: str, expected: list[str] | None = None) -> dict[str, Any]:
    """Choose the winner, judge it, fit it on all data; return the content of leaderboard.json (see above).

    `expected` names the trainers that took part: one that left no result is listed as failed. Scores and verdict go to
    the run's folder and, in one transaction, to the store. Judging again gives the same.

    Raises:
        UnknownRun, NoCandidates, BadGates
    """
    snapshot = load_snapshot(run_id)
    policy = load_policy(get_settings().gates_file)
    trained, failed = _outcomes(run_id, expected)
    if not trained:
        raise NoCandidates(run_id, failed)
    tables = {name: pl.read_parquet(candidate_folder(run_id, name) / "backtest.parquet") for name in trained}
    frame = snapshot.frame(snapshot.select_start)
    levels = _levels(frame)
    chosen_on = "selection_window" if _all_have_selection(snapshot, tables) else "test_window"
    window = _selection if chosen_on == "selection_window" else _test
    selection = choose(
        {name: window(snapshot, table) for name, table in tables.items()},
        {name: cost_of(outcome) for name, outcome in trained.items()},
        levels,
        policy,
        snapshot.seed,
    )
    if selection is None:
        raise NoCandidates(run_id, failed | dict.fromkeys(trained, "no forecast in the backtest"))
    if selection.mix is not None:
        tables[ENSEMBLE] = mean_table([tables[name] for name in selection.mix.members], selection.mix.weights)
        trained[ENSEMBLE] = ensemble_outcome(run_id, selection.mix, trained)
    keep_ensemble(run_id, selection.mix, trained.get(ENSEMBLE))

    def progress(line: str) -> None:
        log.info("judge: %s", line)

    winner = selection.winner
    champion = champion_of(snapshot, progress)
    for method in NAIVES:
        tables[method] = naive(frame, moment(snapshot.select_start), moment(snapshot.end), method)
    tests = {name: _test(snapshot, table) for name, table in tables.items()}
    if champion is not None and champion.refitted is not None:
        tests[CHAMPION] = champion.refitted
    measurements = read_parquet(snapshot.measurements)
    scales = weekly_naive_scales(measurements, snapshot.backtest_start)
    scores = zone_scores(tests, scales)
    result = None
    if champion is not None and champion.refitted is not None:
        result = duel(tests[winner], cost_of(trained[winner]), champion, policy, snapshot.seed)
    kinds = DayKinds.of(measurements, snapshot.backtest_start, snapshot.end, snapshot.timezone, snapshot.holidays)
    by_slice = {name: slice_scores(tests[name], kinds, scales) for name in (winner, *NAIVES, CHAMPION) if name in tests}
    if champion is not None and champion.served is not None:
        by_slice |= beside_served(tests[winner], champion.served, kinds, scales)
    quantiles = calibrate_winner(
        run_id,
        _selection(snapshot, tables[winner]),
        tests[winner],
        levels,
        frame.schema.slots_per_day,
    )
    possible = plausibility(
        tests[winner].join(levels.filter(pl.col("level_kw") > 0), on=["zone", "target_time"], how="semi"),
        measurements,
        interval_minutes=snapshot.interval_minutes,
        timezone=snapshot.timezone,
        start=snapshot.backtest_start,
    )
    gates = check(policy, facts_of(winner, by_slice, possible, quantiles, frame.schema, champion, result))
    passed = passes(gates)
    verdict = sentence(winner, scores[winner, SYSTEM], gates, passed, champion, result)
    _log(run_id, gates, verdict)
    rows = leaderboard_rows(scores, _selection_mape(snapshot, tables), trained, failed, selection, champion)
    board = {
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
        "selection_window": {
            "start": snapshot.select_start.isoformat(),
            "end": snapshot.backtest_start.isoformat(),
        },
        "chosen_on": chosen_on,
        "refit_policy": REFIT_POLICY,
        "confidence": policy.confidence,
        "comparisons": selection.comparisons,
        "champion": None
        if champion is None
        else champion.as_dict() | {"duel": result.as_dict() if result is not None else None},
        "slices": [
            {"candidate": name, **row}
            for name in (winner, CHAMPION, SERVED)
            if name in by_slice
            for row in by_slice[name]
        ],
        "regimes": compare_regimes(snapshot, winner, progress),
        "quantiles": quantiles,
        "gates": [gate.as_dict() for gate in gates],
    }
    fit_winner(snapshot, winner)
    save_json(folder(run_id) / "leaderboard.json", board)
    _store(snapshot, scores, board)
    return board


def _outcomes(run_id: str, expected: list[str] | None) -> tuple[dict[str, Outcome], dict[str, str]]:
    """candidate.json of every usable candidate, and why the others are out."""
    found = [load_json(path) for path in sorted((folder(run_id) / "candidates").glob("*/candidate.json"))]
    outcomes = {outcome["trainer"]: outcome for outcome in found if outcome["trainer"] != ENSEMBLE}
    failed = {name: str(outcome["failed"]) for name, outcome in outcomes.items() if outcome.get("failed")}
    failed |= {name: "left no result: its process was ended" for name in expected or [] if name not in outcomes}
    for name, outcome in outcomes.items():
        difference = (outcome.get("export") or {}).get("largest_difference")
        if difference is not None and not difference <= ALLOWED_DIFFERENCE:
            failed.setdefault(name, f"its export differs by {difference:.2g}, {ALLOWED_DIFFERENCE:g} is allowed")
    return {name: outcome for name, outcome in outcomes.items() if name not in failed}, failed


def _levels(frame: FeatureFrame) -> pl.DataFrame:
    """zone, target_time, level_kw, slot of every row of the backtest."""
    return pl.DataFrame(
        {
            "zone": frame.zone,
            "target_time": pl.Series(frame.target_time).dt.replace_time_zone("UTC"),
            "level_kw": frame.column("level_kw"),
            "slot": frame.column("slot"),
        }
    )


def _selection(snapshot: Snapshot, table: pl.DataFrame) -> pl.DataFrame:
    start, end = snapshot.select_start.astimezone(UTC), snapshot.backtest_start.astimezone(UTC)
    return table.filter(pl.col("issue_time").is_between(start, end, closed="left"))


def _test(snapshot: Snapshot, table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("issue_time") >= snapshot.backtest_start.astimezone(UTC))


def _all_have_selection(snapshot: Snapshot, tables: Tables) -> bool:
    """Candidates of a run that began with an earlier release may have no forecasts before the test window."""
    return snapshot.has_selection_window and all(_selection(snapshot, table).height for table in tables.values())


def _selection_mape(snapshot: Snapshot, tables: Tables) -> dict[str, float | None]:
    found = {}
    for name, table in tables.items():
        total = system_total(_selection(snapshot, table))
        found[name] = score(total["actual_kw"].to_numpy(), total["predicted_kw"].to_numpy(), None).mape_percent
    return found


def _log(run_id: str, gates: list[GateResult], verdict: str) -> None:
    words = {True: "passed", False: "FAILED", None: "not applied"}
    for gate in gates:
        said = words[gate.passed]
        numbers = (gate.gate, gate.slice, gate.metric, gate.value, gate.comparison, gate.limit, said, gate.note)
        log.info("gate %s on %s: %s %s, %s %s: %s %s", *numbers)
    log.info("run %s: %s", run_id, verdict)


def _store(snapshot: Snapshot, scores: dict[tuple[str, str], Scores], board: dict[str, Any]) -> None:
    run_id = snapshot.run_id
    rows = [row | ({"gates": board["gates"]} if row.get("winner") else {}) for row in board["rows"]]
    with session() as transaction:
        transaction.execute(delete(BacktestScore).where(BacktestScore.run_id == run_id))
        for (name, zone), values in scores.items():
            transaction.add(BacktestScore(run_id=run_id, candidate=name, zone=zone, **values.as_dict()))
        run = transaction.get(TrainingRun, run_id) or TrainingRun(run_id=run_id, started_at=datetime.now(UTC))
        run.window_start, run.window_end = snapshot.backtest_start, snapshot.end
        run.data_sha256, run.temperature = snapshot.measurements.sha256, snapshot.temperature
        run.winner, run.gate_passed = board["winner"], board["gate_passed"]
        run.verdict, run.leaderboard = board["verdict"], rows
        transaction.add(run)
