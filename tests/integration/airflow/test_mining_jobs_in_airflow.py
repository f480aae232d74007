"""Jobs of the analytics API in Airflow itself: its API, its users, its database, the shipped DAG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import airflow_sandbox
import httpx
import pytest
from served_app import served

JOBS = "/api/v1/analytics/data-mining/jobs"
KMEANS = "/api/v1/analytics/data-mining/clustering/kmeans"
BODY = {"data": [[0.0, 0.1], [0.1, 0.0], [5.0, 5.1], [5.1, 5.0]], "k": 2}


@pytest.fixture(scope="module")
def dags() -> Any:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    airflow_sandbox.migrate_database()
    found = DagBag(str(airflow_sandbox.ROOT / "dags"))
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(found, "dags-folder", None)
    return found


@pytest.fixture(scope="module")
def analytics(dags: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`analytics(user)`: a client of the analytics API with a token of Airflow's login."""
    from airflow.api_fastapi.app import create_app

    from smartgrid.settings import get_settings

    with pytest.MonkeyPatch.context() as patch, served(create_app(apps="core")) as airflow:
        patch.setenv("SMARTGRID_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("SMARTGRID_AIRFLOW_API_URL", airflow)
        get_settings.cache_clear()
        from smartgrid.orchestration.serve_api import application

        with served(application("analytics")) as url:

            def client(user: str) -> httpx.Client:
                login = {"username": user, "password": f"{user}-password"}
                token = httpx.post(f"{airflow}/auth/token", json=login, timeout=30).json()["access_token"]
                return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

            yield client
    get_settings.cache_clear()


def run_of(job: dict[str, Any]) -> Any:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalars(select(DagRun).where(DagRun.run_id == job["id"])).one()


def submit(client: httpx.Client) -> dict[str, Any]:
    answer = client.post(KMEANS, json=BODY, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_a_job_is_a_run_of_airflow_that_the_caller_started(analytics: Any, dags: Any) -> None:
    with analytics("oskar") as client:
        job = submit(client)
        run = run_of(job)
        assert (run.dag_id, run.state, run.triggering_user_name) == ("mine_on_request", "queued", "oskar")
        assert set(run.conf) == {"job_id", "sha256"}
        assert client.get(f"{JOBS}/{job['id']}").json()["status"] == "queued"
        # What the scheduler would do: the same DAG with the same configuration, its step in the ML environment.
        assert dags.dags["mine_on_request"].test(run_conf=run.conf).state == "success"
        found = client.get(f"{JOBS}/{job['id']}").json()
        assert found["status"] == "succeeded"
        assert found["result"] == client.post(KMEANS, json=BODY).json()


def test_a_cancelled_job_is_a_failed_run(analytics: Any) -> None:
    with analytics("oskar") as client:
        job = submit(client)
        assert client.delete(f"{JOBS}/{job['id']}").json()["status"] == "cancelled"
        assert run_of(job).state == "failed"
        assert client.get(f"{JOBS}/{job['id']}").json()["status"] == "cancelled"


def test_roles_are_those_of_airflow(analytics: Any) -> None:
    with analytics("oskar") as client:
        job = submit(client)
    with analytics("wanda") as viewer:
        assert viewer.post(KMEANS, json=BODY).status_code == 403
        assert viewer.get(f"{JOBS}/{job['id']}").json()["status"] == "queued"
        assert viewer.delete(f"{JOBS}/{job['id']}").status_code == 403


def test_no_secret_is_in_the_stored_job(analytics: Any) -> None:
    from smartgrid.settings import get_settings

    with analytics("oskar") as client:
        job = submit(client)
        token = client.headers["authorization"].removeprefix("Bearer ")
    files = list((get_settings().home / "mining" / "jobs" / job["id"]).iterdir())
    assert files
    assert not any(token in Path(file).read_text() for file in files)
