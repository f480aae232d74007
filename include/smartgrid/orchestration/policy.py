"""Airflow's cluster policies: what every DAG and task gets, so that no author can forget it.

`plugins/airflow_local_settings.py` hands them to Airflow, which calls them for each DAG file that it reads, shipped or
not. Nothing that an author set himself is replaced.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

# How Airflow marks its processes; the parser of DAG files and task workers are clients of its API.
PROCESS_CONTEXT, DAG_PROCESSOR = "_AIRFLOW_PROCESS_CONTEXT", "client"


def task_policy(task: Any) -> None:
    """Failures and retries of every task are reported."""
    from smartgrid.orchestration.notifier import SmartGridNotifier

    for name, moment in (("on_failure_callback", "failure"), ("on_retry_callback", "retry")):
        given = _listed(getattr(task, name, None))
        if not any(isinstance(callback, SmartGridNotifier) for callback in given):
            setattr(task, name, [*given, SmartGridNotifier(moment)])  # type: ignore[arg-type]


def dag_policy(dag: Any) -> None:
    """A run that does not end in time is reported; a DAG with deadlines of its own keeps those.

    Only where the DAG processor parses a file, from which the scheduler learns of deadlines: `dag.test()` cannot end a
    successful run of a DAG that has any (Airflow 3.3.2 looks for their rows, and makes none).
    """
    if os.environ.get(PROCESS_CONTEXT) != DAG_PROCESSOR or getattr(dag, "deadline", None):
        return
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    from smartgrid.orchestration.notifier import SmartGridNotifier
    from smartgrid.settings import get_settings

    dag.deadline = [
        DeadlineAlert(
            name="smartgrid-late",
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(hours=get_settings().routing.deadline_h),
            callback=AsyncCallback(SmartGridNotifier, kwargs={"moment": "deadline", "severity": "medium"}),
        )
    ]


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
