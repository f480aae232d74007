"""A loopback server with the few answers of Airflow's REST API that the driver reads; tests change its state."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSWORD = "right"
Json = dict[str, Any]


class ScriptedAirflow:
    """`runs` per DAG, newest first. `on_trigger` may change a run that was just created."""

    def __init__(self) -> None:
        self.runs: dict[str, list[Json]] = {}
        self.tasks: dict[str, list[Json]] = {}
        self.log = ["line one", "line two"]
        self.paused: set[str] = set()
        self.import_errors: list[Json] = []
        self.pools: dict[str, int] = {}
        self.failing_answers = 0
        self.logins = 0
        self.valid_token = "token-0"
        self.triggered: list[tuple[str, Json]] = []
        self.on_trigger: Callable[[Json], None] = lambda run: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_run(self, dag_id: str, run_id: str, state: str, run_type: str = "manual") -> Json:
        now = datetime.now(UTC).isoformat()
        run = {
            "dag_id": dag_id, "dag_run_id": run_id, "state": state, "run_type": run_type,
            "run_after": now, "start_date": now, "end_date": None,
        }  # fmt: skip
        self.runs.setdefault(dag_id, []).insert(0, run)
        return run

    def finish(self, run: Json, state: str) -> None:
        run.update(state=state, end_date=datetime.now(UTC).isoformat())

    def answer(self, method: str, path: str, token: str | None, body: Json) -> tuple[int, Json]:
        if path == "/auth/token":
            self.logins += 1
            if body.get("password") != PASSWORD:
                return 401, {"detail": "no"}
            self.valid_token = f"token-{self.logins}"
            return 201, {"access_token": self.valid_token}
        if self.failing_answers:
            self.failing_answers -= 1
            return 503, {"detail": "starting"}
        if token != f"Bearer {self.valid_token}":
            return 401, {"detail": "expired"}
        parts = path.removeprefix("/api/v2/").split("?")[0].split("/")
        match parts:
            case ["pools"]:
                if body["name"] in self.pools:
                    return 409, {"detail": "exists"}
                self.pools[body["name"]] = body["slots"]
                return 201, body
            case ["importErrors"]:
                return 200, {"import_errors": self.import_errors}
            case ["dags", dag_id]:
                return 200, {"dag_id": dag_id, "is_paused": dag_id in self.paused, "is_stale": False}
            case ["dags", dag_id, "dagRuns"] if method == "POST":
                if any(run["dag_run_id"] == body["dag_run_id"] for run in self.runs.get(dag_id, [])):
                    return 409, {"detail": "exists"}
                self.triggered.append((dag_id, body))
                run = self.add_run(dag_id, body["dag_run_id"], "queued")
                self.on_trigger(run)
                return 200, run
            case ["dags", dag_id, "dagRuns"]:
                return 200, {"dag_runs": self.runs.get(dag_id, [])}
            case ["dags", dag_id, "dagRuns", run_id]:
                return 200, next(run for run in self.runs[dag_id] if run["dag_run_id"] == run_id)
            case ["dags", _, "dagRuns", run_id, "taskInstances"]:
                return 200, {"task_instances": self.tasks.get(run_id, [])}
            case ["dags", _, "dagRuns", _, "taskInstances", _, "logs", _]:
                return 200, {"content": [{"event": line} for line in self.log]}
        return 404, {"detail": "not found"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        airflow = self

        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                status, answer = airflow.answer(self.command, self.path, self.headers.get("Authorization"), body)
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = _reply  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: Any) -> None:
                """Tests read the answers, not the access log."""

        return Handler
