"""Airflow's REST API for runs of one DAG, as far as the jobs of the analytics API use it; what was asked is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RUNS = "/api/v2/dags/mine_on_request/dagRuns"


@dataclass
class AirflowStandin:
    """`runs`: state of each run; `conf`: what it was started with; `tokens`: with which tokens it was asked.

    `answer`: a status that is answered to everything instead.
    """

    url: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    conf: dict[str, Any] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    answer: int | None = None

    def handle(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.answer is not None:
            return self.answer, {"detail": "as the test wants it"}
        run_id = path.removeprefix(RUNS).strip("/")
        if method == "POST":
            assert body["logical_date"] is None
            self.runs[body["dag_run_id"]], self.conf[body["dag_run_id"]] = "queued", body["conf"]
            return 200, {"dag_run_id": body["dag_run_id"], "state": "queued"}
        if run_id not in self.runs:
            return 404, {"detail": "no such run"}
        if method == "PATCH":
            self.runs[run_id] = body["state"]
        return 200, {"dag_run_id": run_id, "state": self.runs[run_id]}


@contextmanager
def airflow_standin() -> Iterator[AirflowStandin]:
    standin = AirflowStandin()

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            standin.tokens.add(self.headers.get("authorization", ""))
            status, answer = standin.handle(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = reply  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        standin.url = f"http://127.0.0.1:{server.server_port}"
        yield standin
        server.shutdown()
