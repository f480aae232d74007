"""`SmartGridNotifier`: Airflow's callbacks for failure, retry and missed deadlines, as events of the store.

A callback only records the event; who hears of it, and how, is decided and delivered elsewhere. It takes milliseconds,
and nothing that it meets makes a task fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from airflow.sdk import BaseNotifier

Moment = Literal["failure", "retry", "deadline"]


class SmartGridNotifier(BaseNotifier):
    """Records what happened to a task or a run.

    Every task of the platform has it already (see policy.py). Give your own to say more:
    `on_failure_callback=[SmartGridNotifier(severity="critical", team="forecasting")]`.

    Args:
        moment: what it is called for: `failure` for good, `retry` (an attempt that is repeated), or `deadline`.
        severity: low, medium, high or critical; a retry is always low.
        team: for routing rules.
    """

    # Nothing is rendered: an error message that looks like a template must stay text.
    template_fields: Sequence[str] = ()

    def __init__(
        self,
        moment: Moment = "failure",
        severity: Literal["low", "medium", "high", "critical"] = "high",
        team: str | None = None,
        context: Any = None,
    ) -> None:
        super().__init__(context=context)
        self.moment, self.severity, self.team = moment, severity, team

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """There are none; Airflow would build a Jinja environment for them all the same."""

    def notify(self, context: Any) -> None:
        if self.moment == "deadline":
            self._deadline(context)
            return
        ti = context.get("task_instance") or context.get("ti")
        if ti is None:
            self._run(context)
            return
        from smartgrid.orchestration.failure_listener import report_task

        error = context.get("exception") or context.get("reason")
        report_task(ti, error, final=self.moment == "failure", severity=self.severity, team=self.team)

    async def async_notify(self, context: Any) -> None:
        """For deadlines, whose callbacks run in the triggerer's event loop: nothing may block there."""
        await asyncio.to_thread(self.notify, context)

    def _run(self, context: Any) -> None:
        """As `on_failure_callback` of a whole DAG, where Airflow knows of no task."""
        from smartgrid.orchestration.failure_listener import report_run_failure

        dag = context.get("dag")
        run_id = context.get("run_id") or getattr(context.get("dag_run"), "run_id", None)
        if dag is not None and run_id:
            report_run_failure(dag.dag_id, str(run_id), str(context.get("reason", "")))

    def _deadline(self, context: Any) -> None:
        from smartgrid.notifications.once import once_key
        from smartgrid.orchestration.event_writer import write
        from smartgrid.orchestration.pipeline_events import deadline_event

        # The scheduler hands over the run as JSON here, not as an object.
        run, deadline = context["dag_run"], context.get("deadline") or {}
        dag_id, run_id = run["dag_id"], run["dag_run_id"]
        event = deadline_event(dag_id, run_id, deadline.get("deadline_time"), self.severity, self.team)
        write(event, once_key("deadline", dag_id, run_id, deadline.get("id")))
