"""Runs of the DAG `mine_on_request`, through Airflow's REST API with the caller's own token.

So Airflow itself decides what the caller may do, and its audit log says who did it; this service holds no account.
"""

from __future__ import annotations

from typing import Any, Literal

import httpx

from smartgrid.api.analytics.faults import Unavailable
from smartgrid.errors import SmartGridError

DAG_ID = "mine_on_request"
TIMEOUT_S = 10.0

RunState = Literal["queued", "running", "success", "failed"]


class AirflowSaysNo(SmartGridError):
    """Airflow does not allow this caller to do it: `status` is 401 or 403."""

    exit_code = 2

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"Airflow answered {status}: your account may not do this with runs of {DAG_ID}.")


class AirflowRuns:
    """Starts, asks for and ends runs."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def start(self, run_id: str, conf: dict[str, str], token: str) -> None:
        """Create the run `run_id`; one of this name that is there already is kept."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        answer = await self._call("POST", "dagRuns", token, json=body)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise Unavailable(f"Airflow does not know the DAG {DAG_ID} yet; try again.", retry_after_s=15)
        if not answer.is_success and answer.status_code != httpx.codes.CONFLICT:
            raise _unexpected(answer)

    async def state(self, run_id: str, token: str) -> RunState | None:
        """State of the run, None if there is none."""
        answer = await self._call("GET", f"dagRuns/{run_id}", token)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise _unexpected(answer)
        state: RunState = answer.json()["state"]
        return state

    async def end(self, run_id: str, token: str) -> None:
        """Fail the run, which ends its task and the process that it runs."""
        answer = await self._call("PATCH", f"dagRuns/{run_id}", token, json={"state": "failed"})
        if not answer.is_success and answer.status_code != httpx.codes.NOT_FOUND:
            raise _unexpected(answer)

    async def _call(self, method: str, path: str, token: str, **arguments: Any) -> httpx.Response:
        try:
            answer = await self._client.request(
                method, f"/api/v2/dags/{DAG_ID}/{path}", headers={"Authorization": f"Bearer {token}"}, **arguments
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"Airflow, which runs the jobs, does not answer ({type(error).__name__}).") from None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise AirflowSaysNo(answer.status_code)
        return answer


def _unexpected(answer: httpx.Response) -> Unavailable:
    return Unavailable(f"Airflow, which runs the jobs, answered {answer.status_code}.")
