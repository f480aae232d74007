"""Refreshes of Power BI datasets as tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from smartgrid.orchestration.powerbi_errors import raise_for
from smartgrid.orchestration.powerbi_hook import DEFAULT_CONNECTION, PowerBIHook
from smartgrid.orchestration.powerbi_link import URL_KEY, PowerBIDatasetLink
from smartgrid.orchestration.powerbi_trigger import PowerBIRefreshTrigger

EXIT_VERDICT = 3


class PowerBIRefreshOperator(BaseOperator):
    """Refreshes a dataset and succeeds if, and only if, the service says that the refresh completed.

    Requests that come close together are served by one refresh that starts after the last of them; a refresh that runs
    already is waited for; the daily budget is kept in the results store. The task waits deferred. Clearing it, marking
    it, or its time limit cancels the refresh where the service can (enhanced refreshes) and nobody else waits for it.
    Without credentials, or with the budget spent, the task is skipped with the reason.

    Args:
        dataset: id or name of the dataset (templated).
        powerbi_conn_id: connection of type `smartgrid_powerbi`; where there is none, the settings `POWERBI_*`.
        refresh_type: auto, standard or enhanced; None: as set.
        refresh_timeout_s: cancel it after so long; None: as set.

    Raises:
        RefreshUnfinished: retried, the retry takes the same refresh up. RefreshEnded: not retried.
    """

    template_fields: Sequence[str] = ("dataset",)
    operator_extra_links = (PowerBIDatasetLink(),)
    ui_color = "#f7e7b4"
    dataset_url: ClassVar[str | None] = None

    def __init__(
        self,
        *,
        dataset: str,
        powerbi_conn_id: str = DEFAULT_CONNECTION,
        refresh_type: str | None = None,
        refresh_timeout_s: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset, self.powerbi_conn_id = dataset, powerbi_conn_id
        self.refresh_type, self.refresh_timeout_s = refresh_type, refresh_timeout_s

    def execute(self, context: Any) -> None:
        from smartgrid.powerbi.errors import NotConfigured, PowerBiError
        from smartgrid.powerbi.refresh import flow_for
        from smartgrid.powerbi.store_ready import store_ready

        own = {"refresh_type": self.refresh_type, "refresh_timeout_s": self.refresh_timeout_s}
        own = {name: value for name, value in own.items() if value is not None}
        try:
            flow = flow_for(self.dataset, PowerBIHook(self.powerbi_conn_id).overrides() | own)
        except NotConfigured as error:
            raise AirflowSkipException(str(error)) from None
        except PowerBiError as error:
            raise_for(f"{type(error).__name__}: {error}", error.exit_code)
        store_ready()
        ti = context["ti"]
        self._show_link(context, flow.client.dataset_url(flow.dataset_id))
        # The same for every try of this task instance: a try that died is taken up, not repeated.
        key = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
        request_id = flow.store.open_request(key, f"{ti.dag_id} {ti.run_id}")
        self.log.info("request %d for a refresh of dataset %s", request_id, flow.dataset_id)
        url = flow.client.dataset_url(flow.dataset_id)
        trigger = PowerBIRefreshTrigger(request_id, flow.dataset_id, self.powerbi_conn_id, own, url)
        self.defer(trigger=trigger, method_name="complete")

    def complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Called with what the trigger found; tells Airflow the true end."""
        from smartgrid.powerbi.refresh_store import RefreshStore

        self._show_link(context, event["url"])
        if "error" in event:
            # The request keeps its key: a retry goes on with it.
            raise_for(event["error"], event["exit_code"])
        outcome: dict[str, Any] = event["outcome"]
        RefreshStore("", outcome["dataset_id"]).delivered(event["request_id"])
        if outcome["state"] == "budget_spent":
            raise AirflowSkipException(f"Dataset {outcome['dataset_id']} was not refreshed: {outcome['detail']}")
        if outcome["state"] != "completed":
            text = f"Refresh of dataset {outcome['dataset_id']}: {outcome['state']}. {outcome['detail']}"
            raise_for(text.rstrip(), 1 if outcome["state"] in ("unknown", "withdrawn") else EXIT_VERDICT)
        self.log.info("refresh %s completed at %s", outcome["service_id"], outcome["ended_at"])
        result = {name: outcome[name] for name in ("dataset_id", "service_id", "ended_at")}
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = result
        return result

    def _show_link(self, context: Any, url: str) -> None:
        self.dataset_url = url  # type: ignore[misc]
        context["ti"].xcom_push(key=URL_KEY, value=url)
