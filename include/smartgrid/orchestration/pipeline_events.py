"""What happened in a pipeline, as an event of the store. Knows Airflow's objects by their attributes only.

All failures of a DAG are one condition, `airflow:DAG`: ten tasks that fail in one run are one trouble, and the next
successful run ends it.
"""

from __future__ import annotations

import re
from typing import Any

from smartgrid.orchestration.run_links import run_link, task_link
from smartgrid.store.events import Event, Severity

ERROR_LENGTH = 1500
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")


def dag_condition(dag_id: str) -> str:
    return f"airflow:{dag_id}"[:256]


def late_condition(dag_id: str) -> str:
    return f"airflow-late:{dag_id}"[:256]


def run_name(dag_id: str, run_id: str) -> str:
    return f"{dag_id}/{run_id}"[:256]


def task_event(ti: Any, error: object, *, final: bool, severity: Severity = "high", team: str | None = None) -> Event:
    """A failed attempt of a task: the last one (`final`), or one that will be repeated."""
    attempt, retries = int(ti.try_number or 1), int(getattr(ti, "max_tries", 0) or 0)
    exhausted = final and retries > 0 and attempt > retries
    kind = "retries_exhausted" if exhausted else "task_failed" if final else "task_retried"
    name = f"{ti.dag_id}.{ti.task_id}" + (f"[{ti.map_index}]" if _index(ti) >= 0 else "")
    said = {
        "retries_exhausted": f"{name} failed after {attempt} attempts",
        "task_failed": f"{name} failed",
        "task_retried": f"{name} failed in attempt {attempt} and will be repeated",
    }[kind]
    data: dict[str, Any] = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "attempt": attempt}
    if _index(ti) >= 0:
        data["map_index"] = _index(ti)
    if isinstance(error, BaseException):
        data["error"] = type(error).__name__
    return Event(
        kind=kind,
        severity=severity if final else "low",
        subject=said,
        text=told(error),
        dedupe_key=dag_condition(ti.dag_id) if final else None,
        team=team,
        run=run_name(ti.dag_id, ti.run_id),
        link=task_link(ti.dag_id, ti.run_id, ti.task_id, _index(ti), attempt),
        data=data,
    )


def run_failed_event(dag_id: str, run_id: str, reason: str) -> Event:
    """A run failed without any failed task of it having been reported: killed, timed out, deadlocked, marked."""
    return Event(
        kind="run_failed",
        severity="high",
        subject=f"{dag_id}: the run failed",
        text=f"No task of the run reported a failure of its own. Airflow says: {told(reason) or 'nothing'}",
        dedupe_key=dag_condition(dag_id),
        run=run_name(dag_id, run_id),
        link=run_link(dag_id, run_id),
        data={"dag_id": dag_id, "run_id": run_id},
    )


def recovered_event(dag_id: str, run_id: str, condition: str) -> Event:
    """A run succeeded after the DAG had been failing, or late."""
    return Event(
        kind="run_recovered",
        severity="low",
        subject=f"{dag_id} succeeded again",
        text=f"The run {run_id} succeeded.",
        dedupe_key=condition,
        run=run_name(dag_id, run_id),
        link=run_link(dag_id, run_id),
        data={"dag_id": dag_id, "run_id": run_id},
        resolves=True,
    )


def deadline_event(dag_id: str, run_id: str, deadline_time: object, severity: Severity, team: str | None) -> Event:
    """A run has not ended by its deadline."""
    return Event(
        kind="deadline_missed",
        severity=severity,
        subject=f"{dag_id} has missed its deadline",
        text=f"The run {run_id} had to end by {deadline_time} and has not.",
        dedupe_key=late_condition(dag_id),
        team=team,
        run=run_name(dag_id, run_id),
        link=run_link(dag_id, run_id),
        data={"dag_id": dag_id, "run_id": run_id, "deadline": str(deadline_time)},
    )


def told(error: object) -> str:
    """What an error says, without what Airflow knows to be secret and without passwords in addresses.

    >>> told(ValueError("cannot reach postgresql://me:hunter2@db/x"))
    'ValueError: cannot reach postgresql://***@db/x'
    """
    if error is None:
        return ""
    text = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
    from airflow.sdk.log import redact

    text = _URL_PASSWORD.sub("***", str(redact(text)))
    # The end of a step's output says why it failed.
    return text if len(text) <= ERROR_LENGTH else text[:300] + "\n...\n" + text[-(ERROR_LENGTH - 300) :]


def _index(ti: Any) -> int:
    index = getattr(ti, "map_index", None)
    return -1 if index is None else int(index)
