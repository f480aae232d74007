"""Whatever happens in a pipeline, shipped or not, is recorded once; the callbacks of Airflow are the real ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow_sandbox import ROOT
from sqlalchemy import select

from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.events import EventRow

pytestmark = pytest.mark.usefixtures("airflow_database")

FOREIGN_DAG = """
from datetime import timedelta
from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

@dag(schedule=None, dag_id="somebody_elses")
def somebody_elses():
    @task(retries=1, retry_delay=timedelta(0))
    def breaks():
        import os
        if os.environ.get("SG_TEST_GOOD"):
            return
        if os.environ.get("SG_TEST_FOR_GOOD"):
            raise AirflowFailException("no retry will help")
        raise ValueError("cannot reach postgresql://grid:hunter2@db/x {{ 7 * 7 }}")
    breaks()

somebody_elses()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SMARTGRID_AIRFLOW_URL", "https://airflow.example/prefix")
    get_settings.cache_clear()
    migrate()
    yield tmp_path / "home"
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def foreign(airflow_database: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A DAG whose author has never heard of notifications."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    folder = tmp_path_factory.mktemp("dags")
    (folder / "somebody_elses.py").write_text(FOREIGN_DAG)
    bag = DagBag(str(folder))
    assert bag.import_errors == {}
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)
    return bag.dags["somebody_elses"]


def events() -> list[EventRow]:
    with session() as transaction:
        return list(transaction.scalars(select(EventRow).order_by(EventRow.event_id)))


def instance(**facts: Any) -> Any:
    usual = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "max_tries": 0}
    return SimpleNamespace(**usual | {"state": "failed"} | facts)


def test_every_shipped_task_reports_failures(dagbag: Any) -> None:
    from smartgrid.orchestration.notifier import SmartGridNotifier

    for dag in dagbag.dags.values():
        for task in dag.tasks:
            kwargs = getattr(task, "partial_kwargs", {})
            for name in ("on_failure_callback", "on_retry_callback"):
                callbacks = kwargs.get(name) or getattr(task, name)
                count = sum(isinstance(callback, SmartGridNotifier) for callback in callbacks)
                assert count == 1, (dag.dag_id, task.task_id, name)


def test_every_dag_that_the_dag_processor_reads_has_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    (tmp_path / "somebody_elses.py").write_text(FOREIGN_DAG)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    dag = DagBag(str(tmp_path)).dags["somebody_elses"]
    [alert] = dag.deadline
    assert (alert.name, alert.interval.total_seconds()) == ("smartgrid-late", 6 * 3600)
    assert alert.callback.path == "smartgrid.orchestration.notifier.SmartGridNotifier"
    assert "smartgrid-late" in str(DagSerialization.to_dict(dag))


def test_a_foreign_dag_that_fails_is_recorded_once_for_each_attempt(foreign: Any, home: Path) -> None:
    run = foreign.test()
    assert str(run.state) == "failed"
    assert [(row.kind, row.severity, row.data["attempt"]) for row in events()] == [
        ("task_retried", "low", 1),
        ("retries_exhausted", "high", 2),
    ]
    last = events()[-1]
    assert last.dedupe_key == "airflow:somebody_elses"
    assert last.run == f"somebody_elses/{run.run_id}"
    assert last.text == "ValueError: cannot reach postgresql://***@db/x {{ 7 * 7 }}"
    quoted = run.run_id.replace(":", "%3A").replace("+", "%2B")
    assert last.link == (f"https://airflow.example/prefix/dags/somebody_elses/runs/{quoted}/tasks/breaks?try_number=2")


def test_a_failure_that_no_retry_helps_is_final_at_the_first_attempt(
    foreign: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SG_TEST_FOR_GOOD", "1")
    foreign.test()
    assert [row.kind for row in events()] == ["task_failed"]


def test_success_after_failure_resolves_and_success_after_success_says_nothing(
    foreign: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign.test()
    monkeypatch.setenv("SG_TEST_GOOD", "1")
    foreign.test()
    recovered = events()[-1]
    assert (recovered.kind, recovered.resolves) == ("run_recovered", True)
    assert recovered.dedupe_key == "airflow:somebody_elses"
    from smartgrid.notifications.router import route_events

    route_events(get_settings())
    foreign.test()
    assert events()[-1].event_id == recovered.event_id


def test_a_run_that_fails_without_any_report_of_a_task_is_reported(home: Path) -> None:
    from smartgrid.orchestration import failure_listener

    run = SimpleNamespace(dag_id="killed", run_id="manual__2026-01-01T00:00:00+00:00")
    failure_listener.on_dag_run_failed(run, "task_failure")
    failure_listener.on_dag_run_failed(run, "task_failure")
    assert [row.kind for row in events()] == ["run_failed"]
    failure_listener.report_task(instance(dag_id="told"), ValueError("x"), final=True)
    failure_listener.on_dag_run_failed(SimpleNamespace(dag_id="told", run_id="r"), "task_failure")
    assert [row.kind for row in events()] == ["run_failed", "task_failed"]


def test_a_missed_deadline_is_recorded_from_an_event_loop(home: Path) -> None:
    from smartgrid.orchestration.notifier import SmartGridNotifier

    # As the scheduler hands it over: JSON, not objects.
    context = {
        "dag_run": {"dag_id": "late", "dag_run_id": "manual__1"},
        "deadline": {"id": "d1", "deadline_time": "2026-01-01T06:00:00Z"},
    }

    async def callback() -> None:
        await SmartGridNotifier("deadline", severity="medium", context=context)

    import asyncio

    asyncio.run(callback())
    asyncio.run(callback())
    [missed] = events()
    assert (missed.kind, missed.severity, missed.dedupe_key) == ("deadline_missed", "medium", "airflow-late:late")
    assert missed.link == "https://airflow.example/prefix/dags/late/runs/manual__1"


def test_an_authors_own_notifier_says_how_bad_it_is_and_is_not_doubled(home: Path) -> None:
    from smartgrid.orchestration.notifier import SmartGridNotifier
    from smartgrid.orchestration.policy import task_policy

    own = SmartGridNotifier(severity="critical", team="forecasting")
    task = SimpleNamespace(on_failure_callback=own, on_retry_callback=None)
    task_policy(task)
    assert task.on_failure_callback is own
    assert len(task.on_retry_callback) == 1
    own({"ti": instance(), "exception": ValueError("x")})
    assert [(row.severity, row.team) for row in events()] == [("critical", "forecasting")]


def test_a_callback_takes_milliseconds(home: Path) -> None:
    from smartgrid.orchestration.notifier import SmartGridNotifier

    notifier, spent = SmartGridNotifier(), []
    for attempt in range(1, 21):
        began = time.process_time()
        notifier({"ti": instance(try_number=attempt), "exception": ValueError("x")})
        spent.append(time.process_time() - began)
    assert sorted(spent)[10] < 0.05
    assert len(events()) == 20


def test_an_event_survives_a_store_that_does_not_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from smartgrid.notifications.router import route_events
    from smartgrid.orchestration.notifier import SmartGridNotifier

    context = {"ti": instance(), "exception": ValueError("x")}
    with monkeypatch.context() as away:
        away.setenv("SMARTGRID_STORE_URL", "postgresql://nobody@127.0.0.1:1/none")
        get_settings.cache_clear()
        began = time.monotonic()
        SmartGridNotifier()(context)
        assert time.monotonic() - began < 10
    get_settings.cache_clear()
    assert events() == []
    # The other watcher sees the same failure later, when the store is back.
    SmartGridNotifier()(context)
    for _ in range(2):
        route_events(get_settings())
    assert [row.kind for row in events()] == ["task_failed"]
    assert list((home / "notifications" / "spool").iterdir()) == []


def test_the_pipeline_of_delivery_sends_what_is_due(home: Path, dagbag: Any, airflow_database: None) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db

    from smartgrid.notifications.history import counts
    from smartgrid.notifications.model import NewNotification, Target
    from smartgrid.notifications.outbox import send

    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(dagbag, "dags-folder", None)
    pipeline = dagbag.dags["deliver_notifications"]
    assert str(pipeline.test().state) == "success"  # nothing is due: skipped
    # An address that the egress policy refuses: it comes to an end without any network.
    send(NewNotification("hello", (Target("webhook", "http://169.254.169.254/latest"),)))
    assert str(pipeline.test().state) == "success"
    assert counts()["pending"] + counts()["dead"] == 1
    assert counts()["leased"] == 0


def test_airflow_finds_the_policies_in_the_plugins_folder() -> None:
    text = (ROOT / "plugins" / "airflow_local_settings.py").read_text()
    assert "task_policy" in text
    from airflow.settings import get_policy_plugin_manager

    hooks = get_policy_plugin_manager().hook
    assert hooks.task_policy.get_hookimpls()
    assert hooks.dag_policy.get_hookimpls()
