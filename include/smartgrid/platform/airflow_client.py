"""A small client of Airflow's REST API that outlives restarts of the API server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests
from pydantic import SecretStr

from smartgrid.platform.errors import AirflowRefused, AirflowUnreachable

Json = dict[str, Any]
REQUEST_TIMEOUT_S = 20
# Statuses of a server that starts or is overloaded.
PASSING = frozenset({429, 500, 502, 503, 504})


class AirflowClient:
    """Calls are repeated with growing pauses for `patience_s` while the server is away.

    Creating a run is safe to repeat because the caller names the run: Airflow refuses a second one of that name.
    """

    def __init__(
        self,
        base_url: str,
        username: str,
        password: SecretStr,
        patience_s: float = 300,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._username, self._password = username, password
        self._patience_s, self._sleep = patience_s, sleep
        self._session = requests.Session()
        self._token: str | None = None

    def get(self, path: str, **parameters: Any) -> Json:
        return self._call("GET", path, params=parameters)

    def dag(self, dag_id: str) -> Json | None:
        """The DAG, or None while Airflow has not read its file."""
        try:
            return self.get(f"/api/v2/dags/{dag_id}")
        except AirflowRefused as error:
            if error.status == requests.codes.not_found:
                return None
            raise

    def import_errors(self) -> list[Json]:
        errors: list[Json] = self.get("/api/v2/importErrors").get("import_errors", [])
        return errors

    def runs(self, dag_id: str, limit: int = 20) -> list[Json]:
        """The newest runs, newest first."""
        found: list[Json] = self.get(f"/api/v2/dags/{dag_id}/dagRuns", order_by="-run_after", limit=limit)["dag_runs"]
        return found

    def run(self, dag_id: str, run_id: str) -> Json:
        return self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")

    def tasks(self, dag_id: str, run_id: str) -> list[Json]:
        found: list[Json] = self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)[
            "task_instances"
        ]
        return found

    def trigger(self, dag_id: str, run_id: str, conf: Json) -> None:
        """Create the run `run_id`; one that is already there is kept."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        try:
            self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        except AirflowRefused as error:
            if error.status != requests.codes.conflict:
                raise

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Create a pool; one that is already there keeps the slots that somebody gave it."""
        body = {"name": name, "slots": slots, "description": description}
        try:
            self._call("POST", "/api/v2/pools", json=body)
        except AirflowRefused as error:
            if error.status != requests.codes.conflict:
                raise

    def log_tail(self, task: Json, lines: int = 30) -> str:
        """The last lines of the latest try of a task instance."""
        path = (
            f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}"
            f"/taskInstances/{task['task_id']}/logs/{max(1, task['try_number'])}"
        )
        try:
            answer = self.get(path, map_index=task["map_index"], full_content="true")
        except AirflowRefused as error:
            return f"(no log: {error})"
        content = answer.get("content") or []
        texts = [entry.get("event", "") if isinstance(entry, dict) else str(entry) for entry in content]
        return "\n".join("\n".join(texts).splitlines()[-lines:])

    def _call(self, method: str, path: str, **arguments: Any) -> Json:
        began = time.monotonic()
        pause_s = 0.5
        while True:
            problem = ""
            try:
                response = self._session.request(
                    method,
                    self.base_url + path,
                    headers={"Authorization": f"Bearer {self._bearer()}"},
                    timeout=REQUEST_TIMEOUT_S,
                    **arguments,
                )
            except requests.RequestException as error:
                problem = type(error).__name__
            else:
                if response.status_code == requests.codes.unauthorized and self._token is not None:
                    self._token = None  # expired, or the server has new keys: log in again
                    problem = "HTTP 401"
                elif response.status_code in PASSING:
                    problem = f"HTTP {response.status_code}"
                elif not response.ok:
                    raise AirflowRefused(path, response.status_code, _detail(response))
                else:
                    answer: Json = response.json()
                    return answer
            waited_s = time.monotonic() - began
            if waited_s > self._patience_s:
                raise AirflowUnreachable(self.base_url, waited_s, problem)
            self._sleep(pause_s)
            pause_s = min(10.0, pause_s * 1.7)

    def _bearer(self) -> str:
        if self._token is None:
            response = self._session.post(
                f"{self.base_url}/auth/token",
                json={"username": self._username, "password": self._password.get_secret_value()},
                timeout=REQUEST_TIMEOUT_S,
            )
            if response.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
                raise AirflowRefused("/auth/token", response.status_code, f"the password of {self._username} is wrong")
            response.raise_for_status()
            self._token = str(response.json()["access_token"])
        return self._token


def _detail(response: requests.Response) -> str:
    try:
        return str(response.json().get("detail", response.text))[:500]
    except ValueError:
        return response.text[:500]
