"""Our own APIs with Airflow's users: real tokens of Airflow's real login, its real database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import airflow_sandbox
import jwt
import psutil
import pytest
import requests

SECRET = os.environ["AIRFLOW__API_AUTH__JWT_SECRET"]
# Airflow's role of each user is in airflow_sandbox.py.
ROLE_OF = {"wanda": "viewer", "oskar": "operator", "olga": "approver", "admin": "admin"}


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Airflow's API server; `login(user)` gives a token."""
    from smartgrid.settings import get_settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTGRID_HOME", str(tmp_path_factory.mktemp("home")))
        get_settings.cache_clear()
        airflow_sandbox.migrate_database()
        from airflow.api_fastapi.app import create_app
        from fastapi.testclient import TestClient

        with TestClient(create_app(apps="core")) as client:

            def token(user: str) -> str:
                answer = client.post("/auth/token", json={"username": user, "password": f"{user}-password"})
                assert answer.status_code == 201, answer.text
                return str(answer.json()["access_token"])

            token.client = client  # type: ignore[attr-defined]
            yield token
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def apis(login: Any) -> dict[str, Any]:
    """A small application with a route for each role, once for bearer tokens alone and once with cookies."""
    from fastapi import Depends, FastAPI
    from fastapi.testclient import TestClient

    from smartgrid.api.callers import ROLES, Caller
    from smartgrid.orchestration.api_auth import airflow_require, bearer_require

    def application(require: Any) -> TestClient:
        app = FastAPI()
        for role in ROLES:

            def answer(caller: Any) -> dict[str, str]:
                return {"name": caller.name, "role": caller.role}

            # By hand: this role is known only inside of the loop.
            answer.__annotations__["caller"] = Annotated[Caller, Depends(require(role))]

            app.get(f"/{role}", name=role)(answer)
        return TestClient(app)

    return {"bearer": application(bearer_require), "cookie": application(airflow_require)}


@pytest.mark.parametrize("user", list(ROLE_OF))
def test_each_role_may_do_what_the_ones_before_it_may(apis: dict[str, Any], login: Any, user: str) -> None:
    from smartgrid.api.callers import ROLES

    headers = {"Authorization": f"Bearer {login(user)}"}
    rank = ROLES.index(ROLE_OF[user])  # type: ignore[arg-type]
    for place, role in enumerate(ROLES):
        for api in apis.values():
            answer = api.get(f"/{role}", headers=headers)
            assert answer.status_code == (200 if place <= rank else 403), (user, role, answer.text)
            if answer.status_code == 200:
                assert answer.json() == {"name": user, "role": ROLE_OF[user]}
            else:
                assert role in answer.json()["detail"]


def test_without_a_token_it_is_401_with_a_challenge(apis: dict[str, Any]) -> None:
    for api in apis.values():
        for headers in ({}, {"Authorization": "Basic d2FuZGE6eA=="}, {"Authorization": "Bearer"}):
            answer = api.get("/viewer", headers=headers)
            assert answer.status_code == 401, headers
            assert answer.headers["www-authenticate"] == "Bearer"


def test_forged_expired_foreign_and_revoked_tokens_are_401(apis: dict[str, Any], login: Any) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    good = login("admin")
    claims = jwt.decode(good, SECRET, algorithms=["HS512"], audience="apache-airflow")
    past = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    revoked = login("admin")
    get_auth_manager().revoke_token(revoked)
    bad = {
        "garbage": "x.y.z",
        "no text": "\xff\xfe",
        "wrong key": jwt.encode(claims, "k" * 64, algorithm="HS512"),
        "expired": jwt.encode(claims | {"exp": past}, SECRET, algorithm="HS512"),
        "wrong audience": jwt.encode(claims | {"aud": "elsewhere"}, SECRET, algorithm="HS512"),
        "no user": jwt.encode({k: v for k, v in claims.items() if k != "sub"}, SECRET, algorithm="HS512"),
        "not signed": jwt.encode(claims, None, algorithm="none"),
        "revoked": revoked,
    }
    for api in apis.values():
        for what, token in bad.items():
            answer = api.get("/viewer", headers={"Authorization": b"Bearer " + token.encode("latin-1")})
            assert answer.status_code == 401, what
        assert api.get("/viewer", headers={"Authorization": f"Bearer {good}"}).status_code == 200


def test_a_role_that_airflow_does_not_know_is_403(apis: dict[str, Any], login: Any) -> None:
    claims = jwt.decode(login("admin"), SECRET, algorithms=["HS512"], audience="apache-airflow")
    token = jwt.encode(claims | {"role": "emperor"}, SECRET, algorithm="HS512")
    assert apis["bearer"].get("/viewer", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_session_cookie_counts_only_inside_airflow(apis: dict[str, Any], login: Any) -> None:
    headers = {"Cookie": f"_token={login('wanda')}"}
    assert apis["cookie"].get("/viewer", headers=headers).status_code == 200
    # A port of its own: every page of this host would send the cookie along.
    assert apis["bearer"].get("/viewer", headers=headers).status_code == 401


def test_database_away_is_503_and_not_500(apis: dict[str, Any], login: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.revoked_token import RevokedToken
    from sqlalchemy.exc import OperationalError

    def away(_jti: str) -> bool:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    headers = {"Authorization": f"Bearer {login('wanda')}"}
    monkeypatch.setattr(RevokedToken, "is_revoked", away)
    answer = apis["bearer"].get("/viewer", headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def analytics(login: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`serve_api analytics` as the platform starts it: process, port and log file."""
    folder = tmp_path_factory.mktemp("serve")
    port, log = free_port(), folder / "analytics.log"
    command = [sys.executable, "-m", "smartgrid.orchestration.serve_api", "analytics", "--port", str(port)]
    environment = dict(os.environ) | {"SMARTGRID_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/health", timeout=2).raise_for_status()
            break
        except requests.RequestException:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    yield process, port, log
    if process.poll() is None:
        process.kill()
        process.wait()


def test_served_api_listens_on_loopback_and_needs_little_memory(analytics: Any) -> None:
    process, port, _ = analytics
    listening = [c for c in psutil.Process(process.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert [(c.laddr.ip, c.laddr.port) for c in listening] == [("127.0.0.1", port)]
    assert psutil.Process(process.pid).memory_info().rss < 300e6


def test_served_api_logs_no_token_and_ends_at_sigterm(analytics: Any, login: Any) -> None:
    process, port, log = analytics
    token = login("wanda")
    requests.get(
        f"http://127.0.0.1:{port}/health?token={token}", headers={"Authorization": f"Bearer {token}"}, timeout=5
    ).raise_for_status()
    requests.get(f"http://127.0.0.1:{port}/nothing", headers={"Authorization": "Bearer x.y.z"}, timeout=5)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    # uvicorn ends what runs, and then lets the signal do its work.
    assert process.wait(timeout=10) in (0, -signal.SIGTERM)
    _, left = psutil.wait_procs(children, timeout=5)
    assert left == []
    text = log.read_text()
    assert '"GET /health HTTP/1.1" 200' in text
    assert "Application shutdown complete" in text
    assert token not in text
    assert SECRET not in text
    assert "password" not in text.lower()
    assert "Traceback" not in text


def test_unknown_application_is_an_error_that_names_it() -> None:
    command = [sys.executable, "-m", "smartgrid.orchestration.serve_api", "weather", "--port", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path("/"))
    assert result.returncode == 2
    assert "analytics" in result.stderr
