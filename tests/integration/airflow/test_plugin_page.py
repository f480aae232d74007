"""The page as Airflow's API server serves it: the real application, its own users and tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import airflow_sandbox
import jwt
import pytest

PAGE = "/smartgrid/"
ZONES = "/smartgrid/api/v1/zones"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from smartgrid.settings import get_settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTGRID_HOME", str(tmp_path_factory.mktemp("home")))
        get_settings.cache_clear()
        airflow_sandbox.migrate_database()
        from airflow.api_fastapi.app import create_app
        from fastapi.testclient import TestClient

        with TestClient(create_app(apps="core")) as client:
            yield client
    get_settings.cache_clear()


def log_in(server: Any, user: str) -> str:
    answer = server.post("/auth/token", json={"username": user, "password": f"{user}-password"})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["access_token"]
    return token


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


@pytest.mark.parametrize("path", [PAGE, ZONES, "/smartgrid/static/plotly.min.js", "/smartgrid/api/v1/serving"])
def test_without_a_token_it_is_401(server: Any, path: str) -> None:
    answer = server.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_forged_expired_and_foreign_tokens_are_401(server: Any) -> None:
    good = claims(log_in(server, "wanda"))
    secret = airflow_sandbox.os.environ["AIRFLOW__API_AUTH__JWT_SECRET"]
    past = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    bad = {
        "garbage": "x.y.z",
        "wrong key": jwt.encode(good, "k" * 64, algorithm="HS512"),
        "expired": jwt.encode(good | {"exp": past}, secret, algorithm="HS512"),
        "wrong audience": jwt.encode(good | {"aud": "elsewhere"}, secret, algorithm="HS512"),
        "not signed": jwt.encode(good, None, algorithm="none"),
    }
    for what, token in bad.items():
        assert server.get(ZONES, headers={"Authorization": f"Bearer {token}"}).status_code == 401, what


@pytest.mark.parametrize("user", ["wanda", "admin"])
def test_token_of_a_viewer_is_enough(server: Any, user: str) -> None:
    headers = {"Authorization": f"Bearer {log_in(server, user)}"}
    assert server.get(ZONES, headers=headers).json()["zones"] == []
    page = server.get(PAGE, headers=headers)
    assert page.status_code == 200
    assert "<title>Smart Grid</title>" in page.text


def test_session_cookie_of_the_web_interface_is_enough(server: Any) -> None:
    token = log_in(server, "wanda")
    assert server.get(ZONES, headers={"Cookie": f"_token={token}"}).status_code == 200
    assert server.get(ZONES, headers={"Cookie": "_token=forged"}).status_code == 401


def test_navigation_has_an_entry_for_the_page(server: Any) -> None:
    answer = server.get("/api/v2/plugins", headers={"Authorization": f"Bearer {log_in(server, 'admin')}"})
    (plugin,) = [plugin for plugin in answer.json()["plugins"] if plugin["name"] == "smartgrid"]
    (view,) = plugin["external_views"]
    assert (view["name"], view["url_route"], view["destination"]) == ("Smart Grid", "smart-grid", "nav")
    assert view["href"] == PAGE


def test_plugin_loads_without_errors(server: Any) -> None:
    headers = {"Authorization": f"Bearer {log_in(server, 'admin')}"}
    assert server.get("/api/v2/plugins/importErrors", headers=headers).json()["import_errors"] == []


def test_plugin_costs_other_processes_no_heavy_import() -> None:
    import subprocess
    import sys

    plugin = Path(airflow_sandbox.ROOT / "plugins/smartgrid_plugin.py")
    code = (
        "import sys, airflow.plugins_manager\nbefore = set(sys.modules)\n"
        f"exec(compile(open({str(plugin)!r}).read(), 'plugin', 'exec'), {{'__name__': 'plugin'}})\n"
        # Airflow itself loads its listeners wherever it loads plugins.
        "new = set(sys.modules) - before - {'airflow.listeners', 'airflow._shared.listeners'}\n"
        "print(sorted({name.partition('.')[0] for name in new}))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert output.splitlines()[-1] == "['smartgrid']"
