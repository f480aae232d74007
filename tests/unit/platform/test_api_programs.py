"""Our own APIs as programs of the platform."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from smartgrid.platform import health
from smartgrid.platform.api_token import NoSuchUser, bearer_token
from smartgrid.platform.errors import AirflowRefused, AirflowUnreachable
from smartgrid.platform.programs import programs
from smartgrid.platform.run import api_addresses
from smartgrid.platform.secrets import ensure_secrets
from smartgrid.settings import Settings


class Answers(BaseHTTPRequestHandler):
    """`/health` of an API, and the login of Airflow."""

    status, body = 200, '{"status": "ok", "detail": "2 workers"}'

    def do_GET(self) -> None:
        self.reply(self.status if self.path == "/health" else 404, self.body)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        good = asked == {"username": "viewer", "password": self.server.password}  # type: ignore[attr-defined]
        self.reply(201 if good else 401, '{"access_token": "a.b.c"}' if good else '{"detail": "Invalid credentials"}')

    def reply(self, status: int, body: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


def test_apis_listen_where_the_settings_say(home_settings: Settings) -> None:
    settings = home_settings.model_copy(update={"api_host": "10.0.0.7", "analytics_port": 15002})
    (analytics,) = [program for program in programs(settings) if program.name == "analytics-api"]
    assert {"--host=10.0.0.7", "--port=15002"} <= set(analytics.argv)
    assert analytics.ports == {"SMARTGRID_ANALYTICS_PORT": 15002}


@pytest.mark.parametrize(
    ("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.0.0.7", "10.0.0.7")]
)
def test_a_server_that_listens_everywhere_is_asked_on_loopback(home_settings: Settings, host: str, asked: str) -> None:
    settings = home_settings.model_copy(update={"api_host": host})
    assert health.connect_url(settings, 5002) == f"http://{asked}:5002"


def test_health_of_an_api_is_what_it_says(
    home_settings: Settings, server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = home_settings.model_copy(update={"analytics_port": server.server_port})
    assert health.analytics(settings) == health.Health(True, "2 workers")
    monkeypatch.setattr(Answers, "status", 503)
    monkeypatch.setattr(Answers, "body", "not JSON")
    assert health.analytics(settings) == health.Health(False, "HTTP 503")
    server.shutdown()
    server.server_close()
    assert not health.analytics(settings).ok


def test_run_prints_the_addresses_and_how_to_get_a_token(home_settings: Settings) -> None:
    lines = dict(api_addresses(home_settings))
    assert lines["Analytics API"] == "http://127.0.0.1:5002/openapi.json"
    assert "platform token" in lines["API token"]


def test_token_is_what_airflow_gives_for_the_platforms_password(home_settings: Settings, server: HTTPServer) -> None:
    settings = home_settings.model_copy(update={"airflow_port": server.server_port})
    server.password = ensure_secrets(settings.home).password("viewer").get_secret_value()  # type: ignore[attr-defined]
    assert bearer_token(settings, "viewer") == "a.b.c"
    with pytest.raises(AirflowRefused, match="401"):
        bearer_token(settings, "admin")
    with pytest.raises(NoSuchUser, match="mallory"):
        bearer_token(settings, "mallory")
    server.shutdown()
    server.server_close()
    with pytest.raises(AirflowUnreachable) as raised:
        bearer_token(settings, "viewer")
    assert server.password not in str(raised.value)  # type: ignore[attr-defined]
