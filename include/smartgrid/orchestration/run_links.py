"""Addresses of runs and task instances in Airflow's web interface, as people reach it."""

from __future__ import annotations

from urllib.parse import quote

from smartgrid.settings import get_settings


def base_url() -> str:
    """`SMARTGRID_AIRFLOW_URL`, else what Airflow says of itself."""
    given = get_settings().airflow_url
    if given is None:
        from airflow.sdk.configuration import conf

        given = str(conf.get("api", "base_url", fallback="")) or f"http://127.0.0.1:{get_settings().airflow_port}"
    return given.rstrip("/")


def run_link(dag_id: str, run_id: str) -> str:
    """Page of a run. A run id holds colons and plus signs: unquoted, a plus would arrive as a space."""
    return f"{base_url()}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def task_link(dag_id: str, run_id: str, task_id: str, map_index: int = -1, try_number: int = 0) -> str:
    """Page of a task instance, opened at the log of the attempt."""
    link = f"{run_link(dag_id, run_id)}/tasks/{quote(task_id, safe='')}"
    if map_index >= 0:
        link += f"/mapped/{map_index}"
    return link + (f"?try_number={try_number}" if try_number > 0 else "")
