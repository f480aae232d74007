"""Large work as jobs: a run of Airflow each, with the caller's own token."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from served_app import headers

from smartgrid.settings import PROJECT_ROOT

PREFIX = "/api/v1/analytics/data-mining"
JOBS = f"{PREFIX}/jobs"
POINTS = [[0.0, 0.1], [0.1, 0.0], [5.0, 5.1], [5.1, 5.0]]
BODY = {"data": POINTS, "k": 2}
ASYNC = {"Prefer": "respond-async"}


def submit(api: Any, body: Any = BODY, path: str = "clustering/kmeans") -> dict[str, Any]:
    answer = api.mine(path, body, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def run_step(api: Any, job_id: str) -> subprocess.CompletedProcess[str]:
    """What Airflow's task does, in the environment that it does it in."""
    api.airflow.runs[job_id] = "running"
    arguments = json.dumps(api.airflow.conf[job_id])
    command = [str(PROJECT_ROOT / ".venv-ml/bin/python"), "-m", "smartgrid", "step", "mining.answer_request"]
    environment = dict(os.environ) | {"SMARTGRID_HOME": str(api.home)}
    result = subprocess.run(
        [*command, "--arguments", arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    api.airflow.runs[job_id] = "failed" if result.returncode else "success"
    return result


def test_a_job_is_accepted_asked_for_and_gives_the_same_result(api: Any) -> None:
    job = submit(api)
    assert (job["status"], job["method"], job["created_by"]) == ("queued", "kmeans", "the operator")
    where = f"{JOBS}/{job['id']}"
    assert api.client.get(where).json()["status"] == "queued"
    # Data never travel in the configuration of a run.
    conf = api.airflow.conf[job["id"]]
    stored = api.home / "mining" / "jobs" / job["id"] / "request.json"
    assert conf == {"job_id": job["id"], "sha256": hashlib.sha256(stored.read_bytes()).hexdigest()}
    result = run_step(api, job["id"])
    assert result.returncode == 0, result.stderr
    assert len(result.stdout) < 1_000
    answer = api.client.get(where)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "succeeded"
    assert answer.json()["result"] == api.mine("clustering/kmeans", BODY).json()
    # A second attempt of the task does no harm.
    assert run_step(api, job["id"]).returncode == 0
    assert any(found["id"] == job["id"] for found in api.client.get(JOBS).json()["jobs"])


def test_airflow_is_asked_with_the_callers_own_token(api: Any) -> None:
    submit(api)
    assert api.airflow.tokens == {"Bearer operator"}


def test_a_job_that_is_refused_says_which_field_is_wrong(api: Any) -> None:
    job = submit(api, {"data": POINTS, "k": 4_0})
    result = run_step(api, job["id"])
    assert result.returncode == 2
    found = api.client.get(f"{JOBS}/{job['id']}").json()
    assert found["status"] == "failed"
    assert (found["error"]["field"], found["error"]["limit"]) == ("k", "1 to 4")
    assert found["result"] is None


def test_a_changed_request_is_not_worked_off(api: Any) -> None:
    job = submit(api)
    stored = api.home / "mining" / "jobs" / job["id"] / "request.json"
    stored.write_bytes(stored.read_bytes().replace(b'"k":2', b'"k":3'))
    result = run_step(api, job["id"])
    assert result.returncode == 2
    assert "sha256" in result.stderr
    found = api.client.get(f"{JOBS}/{job['id']}").json()
    assert found["status"] == "failed"
    assert job["id"] in found["error"]["message"]


def test_a_job_can_be_cancelled_once_it_ended_it_cannot(api: Any) -> None:
    job = submit(api)
    where = f"{JOBS}/{job['id']}"
    api.airflow.runs[job["id"]] = "running"
    assert api.client.delete(where, headers=headers("viewer")).status_code == 403
    for _ in range(2):
        answer = api.client.delete(where)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert api.airflow.runs[job["id"]] == "failed"
    assert api.client.get(where).json()["status"] == "cancelled"
    ended = submit(api)
    run_step(api, ended["id"])
    assert api.client.delete(f"{JOBS}/{ended['id']}").status_code == 409


def test_viewers_may_look_and_nobody_else(api: Any) -> None:
    import httpx

    job = submit(api)
    where = f"{api.url}{JOBS}/{job['id']}"
    assert httpx.get(where, headers=headers("viewer")).status_code == 200
    for address in (where, f"{api.url}{JOBS}"):
        assert httpx.get(address).status_code == 401
    assert httpx.delete(where).status_code == 401


def test_unknown_and_impossible_ids_are_4xx(api: Any) -> None:
    assert api.client.get(f"{JOBS}/mine-{'0' * 32}").status_code == 404
    assert api.client.delete(f"{JOBS}/mine-{'0' * 32}").status_code == 404
    for wrong in ("x", "..%2f..%2fsecrets", "mine-" + "g" * 32, "mine-" + "0" * 32 + "%0a", "%00"):
        assert api.client.get(f"{JOBS}/{wrong}").status_code in (404, 422), wrong


@pytest.mark.parametrize(("airflow", "ours"), [(401, 401), (403, 403), (404, 503), (500, 503), (503, 503), (422, 503)])
def test_what_airflow_refuses_is_passed_on(api: Any, airflow: int, ours: int) -> None:
    before = len(list((api.home / "mining" / "jobs").glob("*")))
    api.airflow.answer = airflow
    answer = api.mine("clustering/kmeans", BODY, headers=ASYNC)
    assert answer.status_code == ours
    assert answer.json()["detail"]
    assert ours != 503 or int(answer.headers["retry-after"]) > 0
    # Nothing is left of a job that nobody knows.
    assert len(list((api.home / "mining" / "jobs").glob("*"))) == before


def test_airflow_away_is_503_for_jobs_and_nothing_for_small_work(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as api:
        monkeypatch.setattr(api.airflow, "answer", 500)
        assert api.mine("clustering/kmeans", BODY, headers=ASYNC).status_code == 503
        assert api.mine("clustering/kmeans", BODY).status_code == 200


def test_a_run_that_is_gone_in_airflow_is_a_failed_job(api: Any) -> None:
    job = submit(api)
    del api.airflow.runs[job["id"]]
    found = api.client.get(f"{JOBS}/{job['id']}").json()
    assert found["status"] == "failed"
    assert "Airflow" in found["error"]["message"]


def test_large_work_becomes_a_job_by_itself(api: Any, tmp_path: Path) -> None:
    many = {"data": [[float(row), 1.0, 2.0, 3.0, float(row % 7)] * 5 for row in range(41_000)], "k": 2}
    assert api.mine("clustering/kmeans", many).status_code == 202
    assert api.mine("clustering/kmeans", BODY | {"memory_mb": 2_000}).status_code == 202
    large = Path(api.home) / "lake" / "large.csv"
    large.parent.mkdir(exist_ok=True)
    large.write_text("a,b\n" + "1.25,2.5\n" * 1_000_000)
    named = {"dataset": {"uri": "large.csv", "sha256": hashlib.sha256(large.read_bytes()).hexdigest()}, "k": 2}
    assert api.mine("clustering/kmeans", named).status_code == 202
    # A file that may not be read is refused at once, whatever its size.
    assert api.mine("clustering/kmeans", {"dataset": {"uri": "/x.csv", "sha256": "0" * 64}, "k": 2}).status_code == 404


def test_a_named_file_reaches_the_job(api: Any) -> None:
    path = Path(api.home) / "lake" / "baskets.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("transaction,item\n1,storm\n1,outage\n2,storm\n2,outage\n3,heat\n")
    reference = {"uri": "lake/baskets.csv", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    body = {"dataset": reference, "min_support": 0.5}
    job = submit(api, body, "association-rules/fp-growth")
    assert run_step(api, job["id"]).returncode == 0
    result = api.client.get(f"{JOBS}/{job['id']}").json()["result"]
    assert result == api.mine("association-rules/fp-growth", body).json()


def test_there_is_an_end_to_unfinished_jobs_and_old_ones_go(serve: Any) -> None:
    with serve(unfinished_jobs=2) as api:
        first, _ = submit(api), submit(api)
        answer = api.mine("clustering/kmeans", BODY, headers=ASYNC)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        record = api.home / "mining" / "jobs" / first["id"] / "job.json"
        old = json.loads(record.read_text())
        old["created_at"] = (datetime.now(UTC) - timedelta(days=8)).isoformat()
        record.write_text(json.dumps(old))
        submit(api)
        assert api.client.get(f"{JOBS}/{first['id']}").status_code == 404
