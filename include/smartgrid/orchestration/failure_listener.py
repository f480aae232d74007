"""Airflow's listeners as the safety net: a DAG that was written without any callback is reported all the same.

The callback of a task and this listener see the same failure, sometimes in two processes: one key for each attempt
(DAG, run, task, map index, try) makes one event of them. A run that fails although no task of it reported a failure
(a killed worker, a timeout of the run) is reported itself, and a successful run ends what was open of its DAG.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from smartgrid.store.events import Severity

log = logging.getLogger(__name__)


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """In the task's worker after each failed attempt; in the scheduler and the API server for tasks that died there."""
    state = str(getattr(task_instance.state, "value", task_instance.state) or "")
    report_task(task_instance, error, final=state != "up_for_retry")


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    report_run_failure(dag_run.dag_id, dag_run.run_id, msg)


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    report_success(dag_run.dag_id, dag_run.run_id)


def report_task(ti: Any, error: object, *, final: bool, severity: Severity = "high", team: str | None = None) -> bool:
    """Record a failed attempt, unless it is recorded; whether this call did."""
    from smartgrid.notifications.once import once_key
    from smartgrid.orchestration.event_writer import write
    from smartgrid.orchestration.pipeline_events import task_event

    key = once_key("task", ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number)
    event = task_event(ti, error, final=final, severity=severity, team=team)
    return write(event, key, once_key("failed in", ti.dag_id, ti.run_id) if final else None)


def report_run_failure(dag_id: str, run_id: str, reason: str) -> bool:
    """Record that a run failed, unless a task of it reported a failure; whether this call did.

    A task's report may still be under way when the scheduler sees the run fail. Then both are recorded; they are one
    condition, so that people are told once.
    """
    from smartgrid.notifications.once import once_key
    from smartgrid.orchestration.event_writer import is_marked, write
    from smartgrid.orchestration.pipeline_events import run_failed_event

    if is_marked(once_key("failed in", dag_id, run_id)):
        return False
    return write(run_failed_event(dag_id, run_id, reason), once_key("run", dag_id, run_id))


def report_success(dag_id: str, run_id: str) -> int:
    """Record the end of every trouble of this DAG that is open, or that nobody has routed yet; how many."""
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from smartgrid.orchestration.event_writer import impatient_session
    from smartgrid.orchestration.pipeline_events import dag_condition, late_condition, recovered_event
    from smartgrid.store.events import EventRow, record_event
    from smartgrid.store.routing_tables import Condition

    keys = dag_condition(dag_id), late_condition(dag_id)
    still_open = select(Condition.condition_key).where(
        Condition.condition_key.in_(keys), Condition.resolved_at.is_(None)
    )
    unrouted = select(EventRow.dedupe_key).where(EventRow.routed_at.is_(None), EventRow.dedupe_key.in_(keys))
    try:
        with impatient_session() as session:
            found = sorted({*session.scalars(still_open), *session.scalars(unrouted)})
            for key in found:
                record_event(session, recovered_event(dag_id, run_id, str(key)))
            return len(found)
    except SQLAlchemyError as failure:
        # The next successful run says it again.
        log.warning("the store does not answer (%s); the success of %s is not recorded", type(failure).__name__, run_id)
        return 0
