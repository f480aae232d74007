"""Puts the report of a training or mining run into the note of its Airflow run.

A task cannot write the note of its own run: the task SDK has no call for it, and the REST API would need a user's
token. The scheduler can: it tells listeners when a run ends, before it saves the run. So this listener needs no
credentials and works with every auth manager.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

# The task whose result has the note, by DAG.
NOTED_TASKS = {"retrain_load_forecast": "judge", "mine_load_patterns": "conclude", "mine_event_rules": "conclude"}
MAX_CHARACTERS = 1000  # of the column in Airflow's database

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    _write_note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    _write_note(dag_run)


def run_note(judged: dict[str, Any] | None, registered: dict[str, Any] | None) -> str | None:
    """The note from the results of the tasks `judge` and `register`; None where there is nothing to say.

    >>> run_note({"note": "**tpot** wins"}, {"mlflow_version": 3, "model_name": "load"})
    '**tpot** wins\\n\\nRegistered: load version 3.'
    """
    if not judged or not judged.get("note"):
        return None
    text = str(judged["note"])
    if registered and registered.get("mlflow_version"):
        end = f"\n\nRegistered: {registered.get('model_name')} version {registered['mlflow_version']}."
        text = text[: MAX_CHARACTERS - len(end)] + end
    return text[:MAX_CHARACTERS]


def _write_note(dag_run: Any) -> None:
    """Keep a note that somebody wrote; add nothing where the run did not come to a verdict."""
    if dag_run.dag_id not in NOTED_TASKS:
        return
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy.orm import object_session

    # The scheduler saves its own transaction; a second one would wait for it. `dags test` hands over a loose copy.
    session = object_session(dag_run)
    if session is not None:
        _write(session, dag_run)
        return
    with create_session() as own:
        found = own.get(DagRun, dag_run.id)
        if found is not None:
            _write(own, found)


def _write(session: Any, dag_run: Any) -> None:
    if dag_run.note:
        return
    text = run_note(_result(session, dag_run, NOTED_TASKS[dag_run.dag_id]), _result(session, dag_run, "register"))
    if text is not None:
        dag_run.note = text
        log.info("wrote the note of %s", dag_run.run_id)


def _result(session: Any, dag_run: Any, task_id: str) -> dict[str, Any] | None:
    """What a task returned."""
    from airflow.models.xcom import XComModel

    query = XComModel.get_many(
        key="return_value", run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=task_id, limit=1
    )
    row = session.scalars(query).first()
    value = XComModel.deserialize_value(row) if row is not None else None
    return value if isinstance(value, dict) else None
