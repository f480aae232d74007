"""Bad input: an answer that names the field and the limit, and a service that stays up."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

PREFIX = "/api/v1/analytics/data-mining"
POINTS = "[[1,2],[2,3],[9,1]]"
LONG = json.dumps({"transactions": [[f"i{number}" for number in range(5_000)]]})
# 10,000 distinct items, ten a basket, each in two baskets at least.
OVERLAPPING = [[f"i{(start + step) % 10_000}" for step in range(10)] for start in range(0, 20_000, 5)]
MANY = json.dumps({"transactions": OVERLAPPING, "min_support": 0.0001})
TWINS = json.dumps({"transactions": [[f"i{number}" for number in range(60)]] * 2, "min_support": 0.5})

CLUSTERS = [
    ('{"data": [[1,2],[NaN,4]]}', "data.1.0", "finite"),
    ('{"data": [[1,2],[-Infinity,4]]}', "data.1.0", "finite"),
    ('{"data": [[1,2],[1e999,4]]}', "data.1.0", "finite"),
    ('{"data": [{"a": 1},{"a": NaN}]}', "data.1.a", "finite"),
    ('{"data": [[1,2],[1e200,4]]}', "data.1.0", "1e+140"),
    ('{"data": [[1,2],["a",4]]}', "data.1.0", "number"),
    ('{"data": [[1,2],[null,4]]}', "data.1.0", "number"),
    ('{"data": [[1,2],[true,4]]}', "data.1.0", "number"),
    ('{"data": [{"a": 1},{"a": "x"}]}', "column 'a'", "numbers"),
    ('{"data": [{"a": 1, "b": 2},{"a": 1}]}', "'b'", "finite"),
    ('{"data": [[1,2]]}', "data", "at least 2"),
    ('{"data": []}', "data", "at least 2"),
    ('{"data": [[],[]]}', "data.0", "at least 1"),
    ('{"data": [[1,2],[3]]}', "row 1", "2 values"),
    ('{"data": [[1,2],[1,3]]}', "column_0", "different values"),
    ('{"data": [[1,2],{"a":3}]}', "data", "all lists or all objects"),
    ('{"data": 5}', "data", "list"),
    ("{}", "data", "dataset"),
    ("[]", "body", "object"),
    ("", "body", "JSON"),
    ('{"data": [[1,2],[3,4]', "body", "JSON"),
    ("[" * 100_000, "body", "JSON"),
    ('{"data": %s, "typo": 1}', "typo", "schema"),
    ('{"data": %s, "scaler": "log"}', "scaler", "minmax"),
    ('{"data": %s, "seed": -1}', "seed", "at least 0"),
    ('{"data": %s, "features": ["nowhere"]}', "features", "column_0"),
    ('{"data": %s, "columns": ["x", "x"]}', "columns", "once"),
    ('{"data": %s, "columns": ["x"]}', "columns", "2 names"),
    ('{"data": %s, "id_column": "x"}', "id_column", "objects"),
    ('{"data": %s, "time_limit_s": 0}', "time_limit_s", "above 0"),
    ('{"data": %s, "memory_mb": 1e9}', "memory_mb", "4096"),
]
ALONE = {
    "clustering/kmeans": [
        ('{"data": %s, "k": 4}', "k", "1 to 3"),
        ('{"data": %s, "k": 0}', "k", "at least 1"),
        ('{"data": %s, "k": 2.5}', "k", "whole number"),
        ('{"data": %s, "k": 2, "n_clusters": 3}', "k", "n_clusters"),
        ('{"data": [[1,1],[1,1],[2,2]], "k": 3}', "k", "1 to 2"),
        ('{"data": %s, "k": 2, "n_init": 100000}', "n_init", "at most 100"),
    ],
    "clustering/dbscan": [
        ('{"data": %s, "eps": 0}', "eps", "above 0"),
        ('{"data": %s, "eps": -1}', "eps", "above 0"),
        ('{"data": %s, "eps": Infinity}', "eps", ""),
        ('{"data": %s, "min_samples": 0}', "min_samples", "at least 1"),
    ],
}
RULES = [
    ('{"transactions": [["a","b"]], "min_support": -1}', "min_support", "above 0"),
    ('{"transactions": [["a","b"]], "min_support": 0}', "min_support", "above 0"),
    ('{"transactions": [["a","b"]], "min_support": 1.5}', "min_support", "at most 1"),
    ('{"transactions": [["a","b"]], "min_support": NaN}', "min_support", "finite"),
    ('{"transactions": [["a","b"]], "min_confidence": 2}', "min_confidence", "at most 1"),
    ('{"transactions": [["a",1]]}', "transactions.0.1", "text"),
    ('{"transactions": [["a",null]]}', "transactions.0.1", "text"),
    ('{"transactions": [["a",["b"]]]}', "transactions.0.1", "text"),
    ('{"transactions": [["a",""]]}', "transactions.0.1", "at least 1"),
    ('{"transactions": [["\\ud800"]]}', "body", "JSON"),
    ('{"transactions": []}', "transactions", "at least 1"),
    (LONG, "transactions.0", "at most 1,000"),
    (MANY, "min_support", "from about"),
    (TWINS, "min_support", "on these data"),
    ('{"transactions": [["a"]], "max_itemsets": 0}', "max_itemsets", "at least 1"),
    ("{}", "transactions", "dataset"),
]  # fmt: skip


def cases() -> list[Any]:
    clusters = [(f"clustering/{method}", *case) for method in ("kmeans", "dbscan") for case in CLUSTERS]
    alone = [(path, *case) for path, those in ALONE.items() for case in those]
    rules = [(f"association-rules/{method}", *case) for method in ("apriori", "fp-growth") for case in RULES]
    return [pytest.param(*case, id=f"{case[0]} {case[1][:60]}") for case in [*clusters, *alone, *rules]]


@pytest.mark.parametrize(("path", "body", "field", "limit"), cases())
def test_bad_input_is_422_that_names_field_and_limit(api: Any, path: str, body: str, field: str, limit: str) -> None:
    content = body.replace("%s", POINTS).encode()
    answer = api.client.post(f"{PREFIX}/{path}", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    faults = answer.json()["detail"]
    assert any(field in fault["field"] and limit in fault["limit"] for fault in faults), faults
    assert all(fault["message"] and fault["type"] for fault in faults)
    assert len(answer.content) < 4_000


def test_a_million_wrong_values_are_told_of_once(api: Any) -> None:
    answer = api.mine("clustering/kmeans", {"data": [["x"] * 500] * 2_000})
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) == 1


def test_another_kind_of_body_is_415(api: Any) -> None:
    answer = api.client.post(f"{PREFIX}/clustering/kmeans", content=b"a=1", headers={"content-type": "text/csv"})
    assert answer.status_code == 415


def test_unknown_routes_and_methods_are_404_and_405(api: Any) -> None:
    assert api.client.post(f"{PREFIX}/clustering/means", json={}).status_code == 404
    assert api.client.get(f"{PREFIX}/clustering/kmeans").status_code == 405
    assert api.client.put(f"{PREFIX}/jobs/mine-{'0' * 32}").headers["allow"] == "DELETE, GET"


def connection(api: Any) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", urlsplit(api.url).port), timeout=30)
    found.settimeout(30)
    return found


HEAD = f"POST {PREFIX}/clustering/kmeans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\n"


def answer_of(stream: socket.socket) -> str:
    data = b""
    while b"}]}" not in data:
        piece = stream.recv(65_536)
        assert piece, data
        data += piece
    return data.decode()


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
def test_a_body_of_200_mb_is_413_and_is_never_in_memory(api: Any, announced: bool) -> None:
    process = psutil.Process()  # the service runs in a thread of this process
    before = process.memory_info().rss
    length = "Content-Length: 209715200" if announced else "Transfer-Encoding: chunked"
    peak = 0
    piece = b"1" * 65_536
    with connection(api) as stream:
        stream.sendall(f"{HEAD}Content-Type: application/json\r\n{length}\r\n\r\n".encode())
        for number in range(3_200):
            stream.sendall(piece if announced else b"10000\r\n" + piece + b"\r\n")
            if number % 100 == 0:
                peak = max(peak, process.memory_info().rss)
        if not announced:
            stream.sendall(b"0\r\n\r\n")
        text = answer_of(stream)
    assert text.startswith("HTTP/1.1 413")
    assert '"field": "body"' in text
    assert "8,388,608 bytes" in text
    assert peak - before < 60e6
    assert api.client.get("/health").status_code == 200


def test_the_refusal_comes_before_the_body(api: Any) -> None:
    """Who waits for leave to send (curl does, with a large body) never sends it."""
    with connection(api) as stream:
        head = f"{HEAD}Content-Type: application/json\r\nContent-Length: 209715200\r\nExpect: 100-continue\r\n\r\n"
        stream.sendall(head.encode())
        assert answer_of(stream).startswith("HTTP/1.1 413")


def test_who_may_not_ask_is_not_read(api: Any) -> None:
    with connection(api) as stream:
        head = HEAD.replace("Bearer operator", "Bearer nobody")
        stream.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert stream.recv(12) == b"HTTP/1.1 401"


def test_broken_requests_do_no_harm(api: Any) -> None:
    for data in (b"\x00\xff\xfe\r\n\r\n", b"GET " + b"a" * 100_000, HEAD.encode() + b"Content-Length: -5\r\n\r\n{}"):
        with connection(api) as stream:
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            stream.recv(1_000)
    assert api.client.get("/health").status_code == 200


@pytest.fixture
def readings(api: Any) -> Path:
    path = Path(api.home) / "lake" / "readings.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id,a,b\nx,1,2\ny,2,1\nz,9,9\n")
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_dataset_may_be_named_in_several_ways(api: Any, readings: Path) -> None:
    for uri in (str(readings), readings.as_uri(), "lake/readings.csv", "readings.csv", "lake/../lake/readings.csv"):
        body = {"dataset": {"uri": uri, "sha256": sha256_of(readings), "rows": 3, "run": "r1"}, "k": 2}
        answer = api.mine("clustering/kmeans", body)
        assert answer.status_code == 200, (uri, answer.text)
        assert answer.json()["ids"] == ["x", "y", "z"]


def test_no_file_outside_of_lake_and_home_can_be_read(api: Any, readings: Path, tmp_path: Path) -> None:
    home = Path(api.home)
    outside = tmp_path / "outside.csv"
    outside.write_text(readings.read_text())
    for folder in ("secrets", "airflow", "logs"):
        (home / folder).mkdir(exist_ok=True)
        (home / folder / "hidden.csv").write_text(readings.read_text())
    link = home / "lake" / "link.csv"
    link.unlink(missing_ok=True)
    os.symlink(outside, link)
    fifo = home / "lake" / "pipe.csv"
    if not fifo.exists():
        os.mkfifo(fifo)
    (home / "lake" / "text.txt").write_text(readings.read_text())
    for uri in (
        str(outside), outside.as_uri(), f"lake/../../{outside.name}", "lake/link.csv", "secrets/hidden.csv",
        "lake/../secrets/hidden.csv", "airflow/hidden.csv", "logs/hidden.csv", "/etc/passwd", "/dev/zero.csv",
        "lake/pipe.csv", "lake", "lake/text.txt", "missing.csv", "a\0b.csv", "a" * 900 + ".csv", "http://127.0.0.1/a.csv",
        "s3://bucket/a.csv", "file:///etc/hosts", "memory://x.csv",
    ):  # fmt: skip
        body = {"dataset": {"uri": uri, "sha256": sha256_of(readings)}, "k": 2}
        answer = api.mine("clustering/kmeans", body)
        assert answer.status_code == 404, (uri, answer.text)
        (fault,) = answer.json()["detail"]
        assert (fault["field"], fault["type"]) == ("dataset.uri", "DatasetRefused"), (uri, fault)


def test_changed_and_broken_datasets_are_refused_without_their_content(api: Any, readings: Path) -> None:
    changed = api.mine("clustering/kmeans", {"dataset": {"uri": str(readings), "sha256": "0" * 64}, "k": 2})
    assert changed.status_code == 422
    assert changed.json()["detail"][0]["field"] == "dataset.sha256"
    assert sha256_of(readings)[:12] not in changed.text
    for name, data in (
        ("broken.parquet", b"PAR1 no parquet"),
        ("broken.csv", b"a,b\n1,2,3,4\n\xff"),
        ("empty.csv", b""),
    ):
        path = readings.with_name(name)
        path.write_bytes(data)
        for route, more in (("clustering/kmeans", {"k": 2}), ("association-rules/apriori", {})):
            answer = api.mine(route, {"dataset": {"uri": str(path), "sha256": sha256_of(path)}, **more})
            assert answer.status_code == 422, (name, answer.text)


def test_the_service_survives_all_of_this(api: Any) -> None:
    began = time.monotonic()
    assert api.mine("clustering/kmeans", {"data": [[1, 2], [2, 1], [9, 9]], "k": 2}).status_code == 200
    assert time.monotonic() - began < 5
