"""A whole platform of its own for a test: private folder, free ports, a reduced history."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from smartgrid.platform.identity import our_processes
from smartgrid.platform.secrets import ensure_secrets

ROOT = Path(__file__).resolve().parents[2]
PORTS = (
    "AIRFLOW_PORT",
    "AIRFLOW_WORKER_LOG_PORT",
    "MLFLOW_PORT",
    "SERVING_REST_PORT",
    "SERVING_GRPC_PORT",
    "ANALYTICS_PORT",
    "NOTIFICATIONS_PORT",
)
# One trainer and one year: the same pipeline in a fraction of the time.
REDUCED = {
    "SMARTGRID_TRAINING__TRAINERS": '["per_hour_ridge"]',
    "SMARTGRID_TRAINING__HISTORY_DAYS": "365",
    "SMARTGRID_TRAINING__BACKTEST_DAYS": "28",
    # No run may start by itself while the test looks.
    "SMARTGRID_INGEST_SCHEDULE": "",
}


@dataclass
class RunningPlatform:
    """`environment` is what a user would have exported before `make run`."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        probes = {name: socket.create_server(("127.0.0.1", 0)) for name in PORTS}
        self.ports = {name: int(probe.getsockname()[1]) for name, probe in probes.items()}
        for probe in probes.values():
            probe.close()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SMARTGRID_", "AIRFLOW", "MLFLOW_", "TENSORFLOW_"))
        }
        chosen = {f"SMARTGRID_{name}": str(port) for name, port in self.ports.items()}
        self.environment = inherited | REDUCED | chosen | {"SMARTGRID_HOME": str(self.home)}

    @property
    def airflow(self) -> str:
        return f"http://127.0.0.1:{self.ports['AIRFLOW_PORT']}"

    @property
    def mlflow(self) -> str:
        return f"http://127.0.0.1:{self.ports['MLFLOW_PORT']}"

    @property
    def serving(self) -> str:
        return f"http://127.0.0.1:{self.ports['SERVING_REST_PORT']}"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "smartgrid", "platform", *arguments]

    def call(self, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )

    def start_run(self, log: Path) -> subprocess.Popen[bytes]:
        """`platform run` in the background, its output in `log`."""
        with log.open("wb") as output:
            return subprocess.Popen(
                self.command("run"), cwd=ROOT, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    def token(self, user: str = "admin") -> str:
        password = ensure_secrets(self.home).password(user).get_secret_value()
        answer = requests.post(f"{self.airflow}/auth/token", json={"username": user, "password": password}, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def airflow_api(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token()}"}
        answer = requests.get(f"{self.airflow}/api/v2/{path}", headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def processes(self, program: str | None = None) -> list[psutil.Process]:
        return our_processes(self.home, program)

    def main_process(self, program: str) -> psutil.Process:
        """The process that the supervisor started for `program`."""
        [supervisor] = self.processes("supervisord")
        return next(process for process in self.processes(program) if process.ppid() == supervisor.pid)

    def stop(self) -> None:
        self.call("down", timeout_s=120)


def eventually(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """The first true answer of `condition`, or an error that says what was waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s")
