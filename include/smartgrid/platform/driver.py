"""Bring the pipeline, stage by stage, to its result through Airflow's own scheduler.

The driver remembers nothing: a stage is done when the store says so, and a run that is already going is watched
instead of started again. It may be interrupted and repeated at any point, and it waits while killed processes come
back.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from smartgrid.platform.airflow_client import AirflowClient
from smartgrid.platform.errors import PipelineFailed
from smartgrid.platform.stages import Stage

Json = dict[str, Any]
ACTIVE = ("queued", "running")
POLL_S = 1.5
DAG_TIMEOUT_S = 180
# A run may end without its result for a passing reason (a forecast while the model server restarted).
MAX_STARTS = 3


class Display(Protocol):
    """What the driver tells people."""

    def stage(self, title: str, dag_id: str) -> None: ...
    def passed_over(self, title: str) -> None: ...
    def task(self, name: str, state: str, elapsed_s: float) -> None: ...
    def note(self, text: str) -> None: ...
    def done(self, title: str, elapsed_s: float) -> None: ...


class Driver:
    """Runs stages; `started_at` separates the runs of this drive from the failures of earlier ones."""

    def __init__(self, client: AirflowClient, display: Display, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._display, self._sleep = client, display, sleep
        self._started_at = datetime.now(UTC)

    def drive(self, stages: Sequence[Stage]) -> None:
        """Bring every stage to its result.

        Raises:
            PipelineFailed: a run failed after its retries, or kept ending without its result.
            AirflowUnreachable: the API stayed away.
        """
        for stage in stages:
            if stage.done():
                self._display.passed_over(stage.title)
            else:
                self._run(stage)

    def _run(self, stage: Stage) -> None:
        began = time.monotonic()
        self._display.stage(stage.title, stage.dag_id)
        self._wait_for_dag(stage.dag_id)
        starts, seen = 0, set[str]()
        waiting_since = time.monotonic()
        while not stage.done():
            runs = self._client.runs(stage.dag_id)
            active = [run for run in runs if run["state"] in ACTIVE]
            if active:
                run = self._watch(stage, active[-1]["dag_run_id"])
                seen.add(run["dag_run_id"])
                waiting_since = time.monotonic()
                continue
            for run in runs:
                if run["state"] == "failed" and self._counts(run):
                    raise self._failure(stage.dag_id, run)
            finished = [run for run in runs if run["dag_run_id"] in seen]
            if finished and (reason := stage.explain()) is not None:
                raise PipelineFailed(stage.dag_id, reason, page=self._page(stage.dag_id, finished[0]["dag_run_id"]))
            if starts == 0 and time.monotonic() - waiting_since < stage.grace_s:
                self._sleep(POLL_S)
                continue
            if starts >= MAX_STARTS:
                problem = f"{starts} runs succeeded, but their result is not in the store"
                raise PipelineFailed(stage.dag_id, problem, page=self._page(stage.dag_id, runs[0]["dag_run_id"]))
            run_id = f"make_run__{datetime.now(UTC):%Y%m%dT%H%M%S}_{uuid.uuid4().hex[:6]}"
            self._client.trigger(stage.dag_id, run_id, stage.conf)
            starts += 1
        self._display.done(stage.title, time.monotonic() - began)

    def _watch(self, stage: Stage, run_id: str) -> Json:
        """Show the tasks of a run until it ends, and return it."""
        shown: dict[str, str] = {}
        began = time.monotonic()
        while True:
            run = self._client.run(stage.dag_id, run_id)
            for task in self._client.tasks(stage.dag_id, run_id):
                name, state = _task_name(task), task["state"] or "waiting"
                if state not in ("waiting", "scheduled", "queued") and shown.get(name) != state:
                    shown[name] = state
                    self._display.task(name, state, time.monotonic() - began)
            if run["state"] not in ACTIVE:
                return run
            self._sleep(POLL_S)

    def _wait_for_dag(self, dag_id: str) -> None:
        deadline = time.monotonic() + DAG_TIMEOUT_S
        while True:
            dag = self._client.dag(dag_id)
            if dag is not None and dag.get("is_paused"):
                raise PipelineFailed(dag_id, "is paused in Airflow; switch it on there")
            if dag is not None and not dag.get("is_stale"):
                return
            for error in self._client.import_errors():
                if dag_id in error["filename"]:
                    raise PipelineFailed(dag_id, "Airflow cannot import its file", error["stack_trace"])
            if time.monotonic() > deadline:
                raise PipelineFailed(dag_id, f"Airflow does not know it after {DAG_TIMEOUT_S} s")
            self._sleep(POLL_S)

    def _counts(self, run: Json) -> bool:
        """A failure counts if it ended during this drive and data or we started the run.

        A run of the schedule may have come too early (training before the first data); our own follows it.
        """
        if run["run_type"] == "scheduled":
            return False
        moment = run.get("end_date") or run.get("start_date") or run["run_after"]
        return datetime.fromisoformat(moment.replace("Z", "+00:00")) >= self._started_at

    def _failure(self, dag_id: str, run: Json) -> PipelineFailed:
        run_id = run["dag_run_id"]
        failed = [task for task in self._client.tasks(dag_id, run_id) if task["state"] == "failed"]
        if not failed:
            return PipelineFailed(dag_id, f"run {run_id} failed", page=self._page(dag_id, run_id))
        task = failed[0]
        problem = f"task {_task_name(task)} failed after {task['try_number']} attempt(s)"
        return PipelineFailed(dag_id, problem, self._client.log_tail(task), self._page(dag_id, run_id))

    def _page(self, dag_id: str, run_id: str) -> str:
        return f"{self._client.base_url}/dags/{dag_id}/runs/{run_id}"


def _task_name(task: Json) -> str:
    if task["map_index"] < 0:
        return str(task["task_id"])
    return f"{task['task_id']} [{task.get('rendered_map_index') or task['map_index']}]"
