from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from smartgrid.automl.environment import differences, environment
from smartgrid.automl.report import NOTE_CHARACTERS, note, report
from smartgrid.automl.run_folder import Snapshot
from smartgrid.automl.steps import small_row
from smartgrid.lake import DatasetRef, Window

END = datetime(2024, 5, 30, 4, tzinfo=UTC)  # local midnight in New York


def snapshot() -> Snapshot:
    start = END - timedelta(days=100)
    reference = DatasetRef(uri="/runs/r1/x.parquet", sha256="ab" * 32, rows=4800, window=Window(start, END), run="r1")
    return Snapshot(
        run_id="r1",
        measurements=reference,
        weather=reference,
        zones=["North", "South"],
        train_start=start,
        select_start=END - timedelta(days=28),
        backtest_start=END - timedelta(days=14),
        end=END,
        timezone="America/New_York",
        interval_minutes=60,
        holidays="US",
        temperature="actual",
        seed=1,
    )


def gate(name: str, passed: bool | None, where: str = "system", **values: Any) -> dict[str, Any]:
    return {
        "gate": name, "metric": "mape_percent", "slice": where, "comparison": "better_than", "value": 2.0,
        "limit": 3.0, "passed": passed, "severity": "critical", "owner": "forecasting", "reason": "because",
        "note": "", **values,
    }  # fmt: skip


def board(**values: Any) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "winner": "tpot",
        "gate_passed": True,
        "verdict": "tpot beats both naive forecasts",
        "rows": [
            {"candidate": "tpot", "mape_percent": 2.0, "mase": 0.2, "rmse_kw": 1200.0, "bias_kw": -3.0, "cpu_s": 40.0},
            {"candidate": "daily_naive", "mape_percent": 6.0, "mase": 0.6, "rmse_kw": 3000.0, "bias_kw": 1.0},
            {"candidate": "h2o", "failed": "TrainerTimedOut: nothing | in\ntime"},
        ],
        "gates": [
            gate("beats_daily", True),
            gate("no_leap", False),
            gate("interval", False, severity="warning"),
            *[gate("no_zone_worse", None, f"zone:{number}", note="no champion") for number in range(20)],
        ],
        "slices": [
            {"candidate": "tpot", "slice": "day:holiday", "days": 1, "mape_percent": 4.5},
            {"candidate": "champion", "slice": "day:holiday", "days": 1, "mape_percent": 9.9},
        ],
        "regimes": [{"temperature": "none", "mape_percent": 4.25}],
        "quantiles": {"coverage_percent": 79.6},
        **values,
    }


CANDIDATES = {
    "tpot": {"budget_s": 60, "search_s": 58.0, "wall_s": 70.5, "cpu_s": 40.0, "trials": 12},
    "h2o": {"budget_s": 60, "search_s": 60.0, "wall_s": 61.0, "cpu_s": 5.0, "failed": "TrainerTimedOut: nothing"},
    "ensemble": {"wall_s": 131.5, "cpu_s": 45.0},
}


def test_report_says_who_won_and_why_with_every_number() -> None:
    text = report(snapshot(), board(), CANDIDATES, environment(), {"MLflow run": "abc"})
    assert "Winner: **tpot**. Gates **passed**" in text
    assert "test window, seen by no trainer: 2024-05-16 to 2024-05-30" in text
    assert "days are local, America/New_York" in text
    assert "they flatter every model" in text
    assert "| **tpot** | 2.00 | 0.200 | 1,200.00 | -3.00 | 40 |  |" in text
    assert (
        "| beats_daily | passed | system | mape_percent | 2.000 | better than 3.000 | forecasting | because |" in text
    )
    assert "| no_leap | FAILED |" in text
    assert "| interval | warning |" in text
    assert "| no_zone_worse | 20 | no champion |" in text  # not twenty lines
    assert "| day:holiday | 1 | 4.50 |" in text
    assert "9.90" not in text
    assert "4.250" in text
    assert "79.600" in text
    assert "| MLflow run | abc |" in text


def test_time_of_an_ensemble_is_not_counted_twice() -> None:
    text = report(snapshot(), board(), CANDIDATES, {})
    assert "Together 132 s of wall-clock time and 45 s of CPU." in text


def test_what_a_library_wrote_cannot_break_a_table() -> None:
    text = report(snapshot(), board(), {}, {})
    row = next(line for line in text.splitlines() if line.startswith("| h2o"))
    assert row == "| h2o | - | - | - | - | - | TrainerTimedOut: nothing \\| in time |"


def test_leaderboard_without_the_newer_parts_makes_a_report_too() -> None:
    old = {name: value for name, value in board().items() if name in ("run_id", "winner", "gate_passed", "rows")}
    text = report(snapshot(), {**old, "verdict": "good"}, {}, {})
    assert "## Gates" not in text
    assert "## Leaderboard" in text


def test_note_fits_on_an_airflow_run_and_keeps_the_leaderboard() -> None:
    rows = [{"candidate": f"trainer_{number}", "failed": "reason " * 100} for number in range(5)]
    text = note(board(rows=[*board()["rows"], *rows], verdict="because of this and that " * 100))
    assert len(text) <= NOTE_CHARACTERS
    assert text.startswith("**tpot** wins run `r1`; gate passed.")
    assert "| trainer_4 |" in text
    assert note(board(gate_passed=False)).startswith("**tpot** wins run `r1`; gate NOT passed.")


def test_environment_differences_name_what_changed() -> None:
    now = environment()
    assert differences(now, now) == {}
    assert now["packages"]["scikit-learn"]
    changed = {**now, "packages": {**now["packages"], "scikit-learn": "0.1", "gone": "1.0"}}
    found = differences(changed, now)
    assert set(found) == {"scikit-learn", "gone"}
    assert found["gone"] == {"recorded": "1.0", "now": None}


def test_result_of_judge_stays_small_whatever_the_trainers_wrote() -> None:
    rows = [{"candidate": f"trainer_{number}", "failed": "a traceback\n" * 500} for number in range(6)]
    result = {"leaderboard": [small_row(row) for row in rows], "note": note(board(rows=rows)), "verdict": "v" * 400}
    assert len(json.dumps(result)) < 8 * 1024 - 1024
