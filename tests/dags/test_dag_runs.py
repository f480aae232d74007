"""Whole runs of the shipped DAGs; the steps are scripted, everything else is real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database")

REF = {"uri": "/lake/x.parquet", "sha256": "0" * 64, "rows": 480, "window": {"start": "a", "end": "b"}, "run": ""}


@pytest.fixture(scope="module", autouse=True)
def _dags_in_database(airflow_database: None, dagbag: Any) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(dagbag, "dags-folder", None)


def script(folder: Path, **steps: list[dict[str, Any]]) -> None:
    for name, entries in steps.items():
        (folder / f"{name.replace('__', '.')}.json").write_text(json.dumps(entries))


def calls(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    lines = (folder / "calls.jsonl").read_text().splitlines()
    return [(call["step"], call["arguments"]) for call in map(json.loads, lines)]


def states(run: Any) -> dict[str, list[str]]:
    from airflow.utils.session import create_session

    found: dict[str, list[str]] = {}
    with create_session() as session:
        for instance in run.get_task_instances(session=session):
            found.setdefault(instance.task_id, []).append(str(instance.state))
    return {task: sorted(of_task) for task, of_task in found.items()}


def events(run: Any) -> dict[str, dict[str, Any]]:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = (
        select(AssetModel.name, AssetEvent.extra)
        .join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
        .where(AssetEvent.source_run_id == run.run_id, AssetEvent.source_dag_id == run.dag_id)
    )
    with create_session() as session:
        return {row.name: row.extra for row in session.execute(query)}


def test_ingest_lands_the_planned_window_and_announces_the_dataset(dagbag: Any, scripted_steps: Path) -> None:
    window = {"start": "2007-12-01T05:00:00+00:00", "end": "2007-12-02T05:00:00+00:00"}
    script(
        scripted_steps,
        ingest__plan=[{"result": window}],
        ingest__ingest=[{"result": {"batch_id": "b1", "dataset": REF, "late_rows": 0}}],
    )
    run = dagbag.dags["ingest_measurements"].test()
    assert run.state == "success"
    assert calls(scripted_steps) == [("ingest.plan", {}), ("ingest.ingest", window)]
    assert events(run) == {"measurements": REF}


def test_nothing_to_ingest_skips_and_announces_nothing(dagbag: Any, scripted_steps: Path) -> None:
    script(scripted_steps, ingest__plan=[{"result": {"skipped": "the replay has reached the end of the data"}}])
    run = dagbag.dags["ingest_measurements"].test()
    assert states(run) == {"plan": ["skipped"], "ingest": ["skipped"]}
    assert events(run) == {}


def test_parameters_reach_the_step_with_their_types(dagbag: Any, scripted_steps: Path) -> None:
    dagbag.dags["validate_measurements"].test()
    dagbag.dags["validate_measurements"].test(run_conf={"batch_id": "20071201"})
    dagbag.dags["promote_load_forecast"].test()
    dagbag.dags["promote_load_forecast"].test(run_conf={"mlflow_version": 3, "reason": "back to {{ 3 }}"})
    assert calls(scripted_steps) == [
        ("quality.validate", {"batch_id": None, "retry": False}),
        ("quality.validate", {"batch_id": "20071201", "retry": False}),
        ("rollout.publish", {"mlflow_version": None, "reason": "", "decided_by": "airflow"}),
        ("rollout.publish", {"mlflow_version": 3, "reason": "back to {{ 3 }}", "decided_by": "airflow"}),
    ]


def test_forecast_without_issue_time_is_issued_now(dagbag: Any, scripted_steps: Path) -> None:
    run = dagbag.dags["forecast_load"].test()
    assert run.state == "success"
    assert calls(scripted_steps) == [("forecasting.forecast", {"issue_time": None})]
    assert events(run) == {"load_forecast": {"step": "forecasting.forecast"}}


def test_retraining_trains_every_trainer_then_judges_and_registers(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        automl__snapshot=[{"result": {"run_id": "20071201", "dataset": REF}}],
        automl__train=[{"result": {"trained": True}}],
        automl__judge=[{"result": {"run_id": "20071201", "winner": "tpot", "gate_passed": True}}],
        registry__register=[{"result": {"run_id": "20071201", "mlflow_version": 1}}],
    )
    form = {
        "preset": "smoke", "trainers": ["per_hour_ridge", "tpot"], "budget_s": 10, "history_days": 90,
        "temperature": "actual",
    }  # fmt: skip
    run = dagbag.dags["retrain_load_forecast"].test(run_conf=form)
    assert run.state == "success"
    made = calls(scripted_steps)
    settings = {"preset": "smoke", "days": 90, "backtest_days": None, "temperature": "actual", "key": run.run_id}
    assert made[0] == ("automl.snapshot", settings)
    trained = sorted(made[1:3], key=lambda call: call[1]["trainer"])  # mapped tasks have no order
    assert trained == [
        (
            "automl.train",
            {
                "run_id": "20071201", "trainer": trainer, "preset": "smoke", "budget_s": 10,
                "trainers": form["trainers"],
            },
        )
        for trainer in form["trainers"]
    ]  # fmt: skip
    assert made[3] == ("automl.judge", {"run_id": "20071201", "candidates": form["trainers"]})
    assert made[4] == ("registry.register", {"run_id": "20071201"})
    assert events(run) == {"candidate_model": {"run_id": "20071201", "mlflow_version": 1}}


def test_report_becomes_the_note_of_the_run(dagbag: Any, scripted_steps: Path) -> None:
    told = "**tpot** wins run `r1`; gate passed."
    script(
        scripted_steps,
        automl__snapshot=[{"result": {"run_id": "r1"}}],
        automl__judge=[{"result": {"run_id": "r1", "winner": "tpot", "note": told}}],
        registry__register=[{"result": {"run_id": "r1", "mlflow_version": 7, "model_name": "load"}}],
    )
    run = dagbag.dags["retrain_load_forecast"].test(run_conf={"trainers": ["tpot"]})
    assert note_of(run) == f"{told}\n\nRegistered: load version 7."

    script(scripted_steps, registry__register=[{"result": {"skipped": "run r1 did not pass the gate"}}])
    run = dagbag.dags["retrain_load_forecast"].test(run_conf={"trainers": ["tpot"]})
    assert note_of(run) == told


def test_load_patterns_are_mined_of_one_prepared_run_and_noted(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        mining__prepare_patterns=[{"result": {"run_id": "patterns-1"}}],
        mining__conclude_patterns=[{"result": {"run_id": "patterns-1", "note": "**Z4** moved", "dataset": REF}}],
    )
    run = dagbag.dags["mine_load_patterns"].test(run_conf={"days": 56, "end": "2008-01-20T00:00:00-05:00"})
    assert run.state == "success"
    made = calls(scripted_steps)
    assert made[0] == ("mining.prepare_patterns", {"days": 56, "end": "2008-01-20T00:00:00-05:00", "k": None})
    assert {name for name, _ in made[1:3]} == {"mining.cluster_days", "mining.find_outliers"}
    assert [arguments for _, arguments in made[1:]] == [{"run_id": "patterns-1"}] * 3
    assert note_of(run) == "**Z4** moved"
    assert events(run) == {"load_patterns": REF}


def test_event_rules_are_mined_with_the_form(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        mining__prepare_events=[{"result": {"run_id": "rules-1"}}],
        mining__conclude_rules=[{"result": {"run_id": "rules-1", "note": "4 rules", "dataset": REF}}],
    )
    run = dagbag.dags["mine_event_rules"].test(run_conf={"place": "grid", "window_hours": 6})
    asked = {"days": None, "end": None, "place": "grid", "window_hours": 6}
    assert calls(scripted_steps) == [
        ("mining.prepare_events", asked),
        ("mining.mine_rules", {"run_id": "rules-1"}),
        ("mining.conclude_rules", {"run_id": "rules-1"}),
    ]
    assert note_of(run) == "4 rules"
    assert events(run) == {"event_rules": REF}


def test_mining_without_measurements_is_skipped(dagbag: Any, scripted_steps: Path) -> None:
    script(scripted_steps, mining__prepare_patterns=[{"result": {"skipped": "no measurements yet"}}])
    run = dagbag.dags["mine_load_patterns"].test()
    assert {state for found in states(run).values() for state in found} == {"skipped"}
    assert events(run) == {}


def test_scheduler_writes_the_note_in_its_own_transaction(dagbag: Any, scripted_steps: Path) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    script(
        scripted_steps,
        automl__snapshot=[{"result": {"run_id": "r1"}}],
        automl__judge=[{"result": {"run_id": "r1", "winner": "tpot", "note": "told"}}],
        registry__register=[{"result": {"skipped": "no"}}],
    )
    run = dagbag.dags["retrain_load_forecast"].test(run_conf={"trainers": ["tpot"]})
    for before, after in ((None, "told"), ("written by a person", "written by a person")):
        with create_session() as session:
            found = session.get(DagRun, run.id)
            assert found is not None
            found.note = before
            session.flush()
            found.notify_dagrun_state_changed(msg="success")
        assert note_of(run) == after


def note_of(run: Any) -> str | None:
    """As it stands in Airflow's database."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.get(DagRun, run.id)
        assert found is not None
        note: str | None = found.note
        return note


def test_trainer_that_fails_does_not_fail_the_run(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        automl__snapshot=[{"result": {"run_id": "r1"}}],
        automl__train=[
            {"when": {"trainer": "tpot"}, "exit": 2, "stderr": "UnknownTrainer: tpot is not installed"},
            {"when": {"trainer": "per_hour_ridge"}, "result": {"trained": True}},
        ],
        automl__judge=[{"result": {"run_id": "r1", "winner": "per_hour_ridge"}}],
        registry__register=[{"result": {"mlflow_version": 1}}],
    )
    run = dagbag.dags["retrain_load_forecast"].test(run_conf={"trainers": ["tpot", "per_hour_ridge"]})
    assert run.state == "success"
    assert states(run)["train"] == ["failed", "success"]
    assert states(run)["register"] == ["success"]


def test_run_fails_when_no_trainer_succeeds(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        automl__snapshot=[{"result": {"run_id": "r1"}}],
        automl__train=[{"exit": 2, "stderr": "no"}],
    )
    run = dagbag.dags["retrain_load_forecast"].test(run_conf={"trainers": ["tpot"]})
    assert run.state == "failed"
    assert "automl.judge" not in dict(calls(scripted_steps))


def test_nothing_to_train_on_skips_the_whole_run(dagbag: Any, scripted_steps: Path) -> None:
    script(scripted_steps, automl__snapshot=[{"result": {"skipped": "no measurements yet"}}])
    run = dagbag.dags["retrain_load_forecast"].test()
    assert run.state == "success"
    assert states(run)["register"] == ["skipped"]


def test_stopped_batch_fails_at_once_and_stays_failed(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        quality__validate=[
            {"exit": 3, "stderr": "PipelineStopped: too many of its rows are rejected"},
            {"result": {"skipped": "no landed batch is waiting"}},  # what a retry would find
        ],
    )
    run = dagbag.dags["validate_measurements"].test()
    assert run.state == "failed"
    assert len(calls(scripted_steps)) == 1


def test_gate_not_passed_registers_nothing(dagbag: Any, scripted_steps: Path) -> None:
    script(
        scripted_steps,
        automl__snapshot=[{"result": {"run_id": "r1"}}],
        registry__register=[{"result": {"skipped": "gate not passed: weekly_naive is better"}}],
    )
    run = dagbag.dags["retrain_load_forecast"].test(run_conf={"trainers": ["tpot"]})
    assert run.state == "success"
    assert states(run)["register"] == ["skipped"]
    assert events(run) == {}
