from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parent))

from scripted_airflow import PASSWORD, ScriptedAirflow

from smartgrid.platform.airflow_client import AirflowClient
from smartgrid.platform.driver import Driver
from smartgrid.platform.errors import AirflowRefused, AirflowUnreachable, PipelineFailed
from smartgrid.platform.stages import Stage

DAG = "ingest_measurements"


class Recorder:
    """A display that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []

    def stage(self, title: str, dag_id: str) -> None:
        self.events.append(("stage", title))

    def passed_over(self, title: str) -> None:
        self.events.append(("passed", title))

    def task(self, name: str, state: str, elapsed_s: float) -> None:
        self.events.append(("task", name, state))

    def note(self, text: str) -> None:
        self.events.append(("note", text))

    def done(self, title: str, elapsed_s: float) -> None:
        self.events.append(("done", title))


@pytest.fixture
def airflow() -> Iterator[ScriptedAirflow]:
    server = ScriptedAirflow()
    yield server
    server.close()


def client(airflow: ScriptedAirflow, patience_s: float = 5, password: str = PASSWORD) -> AirflowClient:
    return AirflowClient(airflow.url, "admin", SecretStr(password), patience_s, sleep=lambda _: None)


def drive(airflow: ScriptedAirflow, *stages: Stage) -> Recorder:
    display = Recorder()
    Driver(client(airflow), display, sleep=lambda _: None).drive(stages)
    return display


def task(run_id: str, state: str, **other: Any) -> dict[str, Any]:
    base = {"dag_id": DAG, "dag_run_id": run_id, "task_id": "ingest", "map_index": -1, "state": state, "try_number": 2}
    return base | other


def succeed_with(airflow: ScriptedAirflow, result: list[str]) -> None:
    def finish(run: dict[str, Any]) -> None:
        airflow.tasks[run["dag_run_id"]] = [task(run["dag_run_id"], "success", rendered_map_index="Z1", map_index=0)]
        airflow.finish(run, "success")
        result.append("there")

    airflow.on_trigger = finish


def test_a_result_that_is_there_starts_nothing(airflow: ScriptedAirflow) -> None:
    display = drive(airflow, Stage("Ingest", DAG, done=lambda: True))
    assert display.events == [("passed", "Ingest")]
    assert not airflow.triggered


def test_a_stage_without_result_is_started_with_its_form_and_watched(airflow: ScriptedAirflow) -> None:
    result: list[str] = []
    succeed_with(airflow, result)
    display = drive(airflow, Stage("Ingest", DAG, done=lambda: bool(result), conf={"budget_s": 60}))
    [(dag_id, body)] = airflow.triggered
    assert (dag_id, body["conf"], body["logical_date"]) == (DAG, {"budget_s": 60}, None)
    assert display.events[-1] == ("done", "Ingest")


def test_a_run_that_is_already_going_is_watched_not_doubled(airflow: ScriptedAirflow) -> None:
    run = airflow.add_run(DAG, "scheduled__1", "running", "scheduled")
    airflow.tasks["scheduled__1"] = [task("scheduled__1", "running")]
    display = Recorder()
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            airflow.finish(run, "success")

    Driver(client(airflow), display, sleep=sleep).drive([Stage("Ingest", DAG, done=lambda: run["state"] == "success")])
    assert not airflow.triggered
    assert ("task", "ingest", "running") in display.events


def test_an_asset_gets_its_time_before_the_run_is_started_by_hand(airflow: ScriptedAirflow) -> None:
    result: list[str] = []
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 3:
            airflow.finish(airflow.add_run(DAG, "asset_triggered__1", "running", "asset_triggered"), "success")
            result.append("there")

    Driver(client(airflow), Recorder(), sleep=sleep).drive(
        [Stage("Validate", DAG, done=lambda: bool(result), grace_s=30)]
    )
    assert len(sleeps) == 3
    assert not airflow.triggered


def test_a_failed_run_ends_the_drive_with_the_log_of_the_task(airflow: ScriptedAirflow) -> None:
    def fail(run: dict[str, Any]) -> None:
        airflow.tasks[run["dag_run_id"]] = [task(run["dag_run_id"], "failed")]
        airflow.finish(run, "failed")

    airflow.on_trigger = fail
    with pytest.raises(PipelineFailed) as raised:
        drive(airflow, Stage("Ingest", DAG, done=lambda: False))
    assert "task ingest failed after 2 attempt(s)" in str(raised.value)
    assert raised.value.log_tail == "line one\nline two"
    assert raised.value.page.startswith(airflow.url)


def test_a_scheduled_run_that_failed_for_want_of_data_is_followed_by_our_own(airflow: ScriptedAirflow) -> None:
    airflow.finish(airflow.add_run(DAG, "scheduled__1", "running", "scheduled"), "failed")
    result: list[str] = []
    succeed_with(airflow, result)
    drive(airflow, Stage("Train", DAG, done=lambda: bool(result)))
    assert len(airflow.triggered) == 1


def test_failures_of_earlier_drives_do_not_count(airflow: ScriptedAirflow) -> None:
    run = airflow.add_run(DAG, "make_run__old", "failed")
    run.update(start_date="2020-01-01T00:00:00Z", end_date="2020-01-01T00:01:00Z")
    result: list[str] = []
    succeed_with(airflow, result)
    drive(airflow, Stage("Ingest", DAG, done=lambda: bool(result)))
    assert result


def test_runs_that_succeed_without_a_result_are_not_repeated_for_ever(airflow: ScriptedAirflow) -> None:
    airflow.on_trigger = lambda run: airflow.finish(run, "success")
    with pytest.raises(PipelineFailed, match="3 runs succeeded, but their result is not in the store"):
        drive(airflow, Stage("Ingest", DAG, done=lambda: False))
    assert len(airflow.triggered) == 3


def test_a_paused_dag_is_reported_not_waited_for(airflow: ScriptedAirflow) -> None:
    airflow.paused.add(DAG)
    with pytest.raises(PipelineFailed, match="is paused in Airflow"):
        drive(airflow, Stage("Ingest", DAG, done=lambda: False))


def test_a_dag_file_that_cannot_be_imported_is_shown_with_its_error(airflow: ScriptedAirflow) -> None:
    airflow.import_errors = [{"filename": f"{DAG}.py", "stack_trace": "ImportError: nonsense"}]
    original = airflow.answer

    def without_dag(method: str, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, answer = original(method, path, token, body)
        return (404, {"detail": "unknown"}) if status == 200 and path == f"/api/v2/dags/{DAG}" else (status, answer)

    airflow.answer = without_dag  # type: ignore[method-assign]
    with pytest.raises(PipelineFailed, match="ImportError: nonsense"):
        drive(airflow, Stage("Ingest", DAG, done=lambda: False))


def test_a_server_that_restarts_is_waited_for(airflow: ScriptedAirflow) -> None:
    airflow.failing_answers = 4
    assert client(airflow).import_errors() == []


def test_an_expired_login_is_renewed(airflow: ScriptedAirflow) -> None:
    api = client(airflow)
    api.import_errors()
    airflow.valid_token = "another"
    assert api.import_errors() == []
    assert airflow.logins == 2


def test_a_wrong_password_is_not_tried_again_and_again(airflow: ScriptedAirflow) -> None:
    with pytest.raises(AirflowRefused, match="password of admin is wrong"):
        client(airflow, password="wrong").import_errors()
    assert airflow.logins == 1


def test_patience_with_a_server_that_stays_away_ends(airflow: ScriptedAirflow) -> None:
    airflow.close()
    with pytest.raises(AirflowUnreachable):
        client(airflow, patience_s=0.2).import_errors()


def test_the_same_run_is_created_once_however_often_it_is_asked_for(airflow: ScriptedAirflow) -> None:
    api = client(airflow)
    api.trigger(DAG, "make_run__1", {})
    api.trigger(DAG, "make_run__1", {})
    assert len(airflow.runs[DAG]) == 1


def test_pool_is_made_once_and_keeps_the_slots_that_somebody_gave_it(airflow: ScriptedAirflow) -> None:
    client(airflow).ensure_pool("heavy_training", 1, "one trainer at a time")
    assert airflow.pools == {"heavy_training": 1}
    airflow.pools["heavy_training"] = 3
    client(airflow).ensure_pool("heavy_training", 1, "one trainer at a time")
    assert airflow.pools == {"heavy_training": 3}
