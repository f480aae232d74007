"""The REST port as an HTTP/1.1 server: methods, paths, encodings, origins, bodies."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator

import pytest
import requests
from serving_process import ServerProcess

pytestmark = pytest.mark.servers

URL = "/v1/models/typed"


def predict(server: ServerProcess, body: object, **options: object) -> requests.Response:
    return requests.post(f"{server.rest_url}{URL}:predict", json.dumps(body), timeout=30, **options)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/V1/Models/typed/metadata", 200, "signature_def"),
        ("GET", "/v1/models/typed/METADATA", 200, "model_version_status"),
        ("POST", "/v1/models/typed:PREDICT", 400, "Malformed request: POST /v1/models/typed:PREDICT"),
        ("POST", "/V1/MODELS/typed:predict", 400, "JSON Parse error: The document is empty"),
        ("GET", "/v1/models/ty%70ed/versions/1", 200, "AVAILABLE"),
        ("GET", "/v1/models/typed/versions/1/metadata", 200, "signature_def"),
        ("GET", "/v1/models/versions/1", 400, "Missing model name in request."),
        ("GET", "/v1/models/", 400, "Malformed request: GET /v1/models/"),
        ("GET", "/v1/models/typed/", 400, "Malformed request: GET /v1/models/typed/"),
        ("GET", "/v1/models/typed/versions/x", 400, "Malformed request: GET /v1/models/typed/versions/x"),
        ("GET", "/v1/models/typed?x=1", 404, "Could not find any versions of model typed?x=1"),
        ("GET", "/v1/models/typed/metadata?x=1", 400, "Malformed request: GET /v1/models/typed/metadata?x=1"),
        ("GET", "/v1/models/typed:predict", 400, "Malformed request: GET /v1/models/typed:predict"),
        ("POST", "/v1/models/typed:predict?x=1", 400, "Malformed request: POST /v1/models/typed:predict?x=1"),
        ("POST", "/v1/models/typed", 400, "Malformed request: POST /v1/models/typed"),
        ("POST", "/v1/models/typed:guess", 400, "Malformed request: POST /v1/models/typed:guess"),
        ("PUT", "/v1/models/typed:predict", 400, "Malformed request: PUT /v1/models/typed:predict"),
        ("POST", "/v1/models/typed/versions/9:classify", 400, "JSON Parse error: The document is empty"),
        ("GET", "/v1/models/typed/versions/18446744073709551615", 400, "Failed to convert version: "),
        ("GET", "/v2/models/typed", 404, "404 Not Found"),
    ],
)
def test_paths_and_methods(typed_server: ServerProcess, method: str, path: str, status: int, text: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", typed_server.rest_port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    assert answer.status == status
    assert text in answer.read().decode()
    connection.close()


@pytest.fixture(scope="module")
def kept(typed_server: ServerProcess) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", typed_server.rest_port, timeout=20)
    yield connection
    connection.close()


def test_one_connection_carries_many_requests_errors_too(kept: http.client.HTTPConnection) -> None:
    kept.connect()
    socket = kept.sock
    for body, status in ((b'{"instances": [1]}', 200), (b"{", 400), (b'{"instances": [2]}', 200)):
        kept.request("POST", f"{URL}:predict", body)
        answer = kept.getresponse()
        answer.read()
        assert answer.status == status
        assert kept.sock is socket


def test_a_body_may_come_in_chunks(kept: http.client.HTTPConnection) -> None:
    kept.request("POST", f"{URL}:predict", iter([b'{"instan', b'ces": [1', b".5]}"]), encode_chunked=True)
    assert json.loads(kept.getresponse().read()) == {"predictions": [1.5]}


def test_the_content_type_of_a_request_does_not_matter(typed_server: ServerProcess) -> None:
    answer = predict(typed_server, {"instances": [1]}, headers={"Content-Type": "text/plain"})
    assert answer.json() == {"predictions": [1.0]}
    assert answer.headers["content-type"] == "application/json"


def test_a_body_may_be_compressed_in_several_members(typed_server: ServerProcess) -> None:
    body = gzip.compress(b'{"instances": ') + gzip.compress(b"[1, 2]}")
    url = f"{typed_server.rest_url}{URL}:predict"
    for encoding in ("gzip", "x-gzip", "deflate, gzip"):
        answer = requests.post(url, body, headers={"Content-Encoding": encoding}, timeout=20)
        assert answer.json()["predictions"] == [1, 2]
    for broken in (b"no gzip", gzip.compress(b"{}")[:-4]):
        answer = requests.post(url, broken, headers={"Content-Encoding": "gzip"}, timeout=20)
        assert answer.status_code == 400


def test_a_long_answer_is_compressed_for_those_who_ask(typed_server: ServerProcess) -> None:
    long, short = {"instances": [0.5] * 1000}, {"instances": [0.5]}
    answer = predict(typed_server, long, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == {"predictions": [0.5] * 1000}
    for body, accepted in ((short, "gzip"), (long, "identity"), (long, "gzip;q=0")):
        answer = predict(typed_server, body, headers={"Accept-Encoding": accepted})
        assert "content-encoding" not in answer.headers
        assert answer.status_code == 200


def test_a_body_of_many_megabytes_is_answered(typed_server: ServerProcess) -> None:
    body = b'{"instances": [' + b"1.5," * 5_000_000 + b"2.5]}"
    began = time.monotonic()
    answer = requests.post(f"{typed_server.rest_url}{URL}:predict", body, headers={"Accept-Encoding": ""}, timeout=120)
    assert answer.status_code == 200
    assert answer.content.endswith(b"1.5, 2.5\n    ]\n}")
    assert time.monotonic() - began < 60


def test_without_the_flag_no_other_origin_is_let_in(typed_server: ServerProcess) -> None:
    answer = predict(typed_server, {"instances": [1]}, headers={"Origin": "http://elsewhere"})
    assert "access-control-allow-origin" not in answer.headers


def test_other_origins_are_let_in_by_the_flag(typed_server_with_cors: ServerProcess) -> None:
    url = f"{typed_server_with_cors.rest_url}{URL}"
    headers = {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST, GET",
        "access-control-allow-headers": "Content-Type",
    }
    answers = [
        requests.get(url, timeout=20),
        requests.post(f"{url}:predict", b"{", timeout=20),
        requests.options(f"{url}:predict", headers={"Origin": "https://elsewhere"}, timeout=20),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 200]
    for answer in answers:
        assert headers.items() <= dict(answer.headers).items()
    assert answers[-1].content == b""
    refused = requests.options(f"{url}:predict", timeout=20)
    assert (refused.status_code, refused.content) == (400, b"")


def test_a_slow_run_ends_at_the_time_limit(typed_server_with_cors: ServerProcess) -> None:
    body = {"signature_name": "slow", "inputs": 10**12}
    answer = predict(typed_server_with_cors, body)
    assert answer.status_code == 504
    assert answer.json() == {"error": "Timed out waiting for notification"}
