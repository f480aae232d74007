"""An HTTP source against a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from smartgrid.errors import ConfigurationError
from smartgrid.ingest import http_source
from smartgrid.ingest.http_source import HttpSource, HttpSourceError
from smartgrid.ingest.steps import ingest, plan
from smartgrid.lake import DatasetRef, Window, read_parquet
from smartgrid.settings import Settings

Configure = Callable[..., Settings]
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = Window("2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00")


class Endpoint(ThreadingHTTPServer):
    """Hourly readings of two meters for 72 hours, 50 a page, for those who know the token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, list[str]]] = []
        self.failures: list[int] = []
        self.body: Any = None
        self.next_host = ""
        self.rows = [
            {"at": f"{START + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ}", "meter": meter, "kw": n}
            for n in range(72)
            for meter in ("M1", "M2")
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/readings?apikey=topsecret"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.server.requests.append(query)
        if self.server.failures:
            self.send_error(self.server.failures.pop(0))
        elif self.headers.get("Authorization") != "Bearer token-1" or query.get("apikey") != ["topsecret"]:
            self.send_error(401)
        else:
            self._answer(query)

    def _answer(self, query: dict[str, list[str]]) -> None:
        page = int(query.get("page", ["0"])[0])
        rows = [row for row in self.server.rows if query["start"][0] <= str(row["at"]) < query["end"][0]]
        body = self.server.body
        if body is None:
            body = {"data": {"rows": rows[page * 50 : page * 50 + 50]}}
            if len(rows) > (page + 1) * 50:
                same = "&".join(f"{name}={query[name][0]}" for name in ("apikey", "start", "end"))
                body["next"] = f"{self.server.next_host}/readings?{same}&page={page + 1}"
        encoded = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(http_source, "RETRY_DELAYS_S", (0.01, 0.01))
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def _source(endpoint: Endpoint, **more: object) -> dict[str, object]:
    columns = {"time": "at", "zone": "meter", "load": "kw"}
    source = {"kind": "http", "url": endpoint.url, "token": "token-1", "records": "data.rows", "columns": columns}
    return {**source, **more}


def test_pages_are_followed_and_windows_asked_for(endpoint: Endpoint, configure: Configure) -> None:
    configure(source=_source(endpoint), replay_start="2024-01-02T00:00:00+00:00")
    result = ingest(**plan())
    landed = read_parquet(DatasetRef.model_validate(result["dataset"]))
    assert landed.height == 48
    assert landed["source_ref"].unique().to_list() == [f"http://127.0.0.1:{endpoint.server_port}/readings"]
    assert {
        "start": ["2024-01-01T00:00:00Z"],
        "end": ["2024-01-02T00:00:00Z"],
        "apikey": ["topsecret"],
    } in endpoint.requests
    assert any(query.get("page") == ["1"] for query in endpoint.requests)


def test_late_readings_within_the_lookback_land_with_the_next_window(endpoint: Endpoint, configure: Configure) -> None:
    delayed = endpoint.rows.pop(7)
    configure(source=_source(endpoint), replay_start="2024-01-02T00:00:00+00:00")
    ingest(**plan())
    endpoint.rows.insert(7, delayed)
    result = ingest(**plan())
    assert result["late_rows"] == 1
    assert ingest(**plan())["late_rows"] == 0


def test_server_errors_are_retried(endpoint: Endpoint, configure: Configure) -> None:
    endpoint.failures = [503, 429]
    assert HttpSource(configure(source=_source(endpoint))).read(DAY).height == 48
    endpoint.failures = [500, 502, 503]
    with pytest.raises(HttpSourceError) as caught:
        HttpSource(configure(source=_source(endpoint))).read(DAY)
    assert caught.value.status == 503


def test_refusal_is_not_retried_and_shows_no_secret(endpoint: Endpoint, configure: Configure) -> None:
    source = HttpSource(configure(source=_source(endpoint, token="wrong-token")))
    with pytest.raises(HttpSourceError) as caught:
        source.read(DAY)
    assert caught.value.status == 401
    assert len(endpoint.requests) == 1
    assert "topsecret" not in str(caught.value)
    assert "wrong-token" not in str(caught.value)


def test_unreachable_endpoint_has_no_status(endpoint: Endpoint, configure: Configure) -> None:
    source = HttpSource(configure(source=_source(endpoint, url="http://127.0.0.1:1/readings")))
    with pytest.raises(HttpSourceError) as caught:
        source.read(DAY)
    assert caught.value.status is None


def test_token_never_travels_to_another_host(endpoint: Endpoint, configure: Configure) -> None:
    endpoint.next_host = "http://localhost:9"
    with pytest.raises(HttpSourceError, match="another host"):
        HttpSource(configure(source=_source(endpoint))).read(Window(DAY.start, DAY.start + timedelta(days=3)))


def test_answer_without_the_list_is_an_error(endpoint: Endpoint, configure: Configure) -> None:
    endpoint.body = {"data": {"items": []}}
    with pytest.raises(HttpSourceError, match=r"data\.rows"):
        HttpSource(configure(source=_source(endpoint))).read(DAY)


def test_odd_records_land_as_text(endpoint: Endpoint, configure: Configure) -> None:
    good = {"at": "2024-01-01T00:00:00Z", "meter": "M1", "kw": "7.5"}
    endpoint.body = {"data": {"rows": [good, "surprise", {"at": "2024-01-01T01:00:00Z", "kw": {"value": 1}}]}}
    rows = HttpSource(configure(source=_source(endpoint))).read(DAY)
    assert rows["load_kw"].to_list() == [7.5, None, None]
    assert rows["raw_time"].to_list() == [None, "surprise", None]
    assert rows["raw_load"].to_list() == [None, None, '{"value": 1}']


def test_address_that_is_none_is_a_configuration_error(configure: Configure) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.url"):
        HttpSource(configure(source={"kind": "http"}))
    with pytest.raises(ConfigurationError, match="no http or https address"):
        HttpSource(configure(source={"kind": "http", "url": "ftp://example"}))
