"""Workers that die, take too long or too much: the caller is told, and the next request finds a new one."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

SMALL = {"data": [[0.0, 0.1], [0.1, 0.0], [5.0, 5.1]], "k": 2}
# Some seconds of work: 40 values of k, each with stability and silhouette.
LONG = {"data": [[float(n % 17), float(n * n % 101), float(n % 7)] for n in range(3_000)], "max_k": 40, "n_init": 20}


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_idle_worker_that_is_killed_is_replaced(api: Any) -> None:
    victim = api.warm()
    os.kill(victim.pid, signal.SIGKILL)
    assert api.mine("clustering/kmeans", SMALL).status_code == 200
    wait_for(lambda: api.app.state.pool.workers and victim not in api.app.state.pool.workers)


def test_work_whose_worker_is_killed_is_done_by_the_next(api: Any) -> None:
    api.warm()
    pool = api.app.state.pool
    body = LONG | {"max_k": 5}
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(api.mine, "clustering/kmeans", body)
        wait_for(lambda: pool.busy == 1)
        for worker in pool.workers:
            os.kill(worker.pid, signal.SIGKILL)
        answer = waiting.result(timeout=60)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["labels"]) == 3_000


def test_work_that_takes_too_long_becomes_a_job_and_its_worker_ends(serve: Any) -> None:
    with serve(answer_s=1.0) as api:
        worker = api.warm()
        answer = api.mine("clustering/kmeans", LONG)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"].endswith(answer.json()["id"])
        wait_for(lambda: not psutil.pid_exists(worker.pid))
        # The next one is warm when it is ready, and small work is answered again.
        assert api.mine("clustering/kmeans", SMALL).status_code == 200


def test_work_that_takes_too_much_memory_is_503_with_the_way_out(serve: Any) -> None:
    with serve(worker_memory_mb=150) as api:
        worker = api.warm()
        answer = api.mine("clustering/kmeans", LONG)
        assert answer.status_code == 503
        assert "150 MB" in answer.json()["detail"]
        assert "respond-async" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        wait_for(lambda: not psutil.pid_exists(worker.pid))
        assert api.client.get("/health").status_code == 200


def test_too_many_that_wait_are_503_with_a_time_to_come_back(serve: Any) -> None:
    with serve(workers=1, waiting=2, answer_s=60) as api:
        api.warm()
        with ThreadPoolExecutor(6) as threads:
            found = [threads.submit(api.mine, "clustering/kmeans", LONG | {"max_k": 3})]
            wait_for(lambda: api.app.state.pool.busy == 1)
            found += [threads.submit(api.mine, "clustering/kmeans", LONG | {"max_k": 3}) for _ in range(5)]
            codes = sorted(answer.result().status_code for answer in found)
        assert codes == [200, 200, 200, 503, 503, 503]
        assert api.mine("clustering/kmeans", SMALL).status_code == 200


def test_without_the_ml_environment_work_becomes_jobs(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_STEP_PYTHON", "/nowhere/python")
    with serve() as api:
        wait_for(lambda: "No such file" in api.client.get("/health").json()["detail"])
        answer = api.mine("clustering/kmeans", SMALL)
        assert answer.status_code == 202
        assert len(api.airflow.runs) == 1


def test_no_worker_outlives_the_service(serve: Any) -> None:
    with serve() as api:
        worker = api.warm()
        assert psutil.pid_exists(worker.pid)
    assert not psutil.pid_exists(worker.pid)


def test_workers_see_no_secrets(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "SMARTGRID_STORE_URL", "TWILIO_AUTH_TOKEN", "POWERBI_CLIENT_SECRET"):
        monkeypatch.setenv(name, "sqlite:///hidden-value")
    with serve() as api:
        environment = Path(f"/proc/{api.warm().pid}/environ").read_bytes()
    assert b"SMARTGRID_HOME=" in environment
    assert b"hidden-value" not in environment
