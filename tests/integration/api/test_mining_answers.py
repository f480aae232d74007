"""What the four mining routes answer: the same as the command line, at once, to those who may ask."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from served_app import headers

PREFIX = "/api/v1/analytics/data-mining"
ROUTES = ("clustering/kmeans", "clustering/dbscan", "association-rules/apriori", "association-rules/fp-growth")
POINTS = [[0.0, 0.1], [0.1, 0.0], [5.0, 5.1], [5.1, 5.0], [9.0, 0.0]]
BASKETS = [["storm", "outage"], ["storm", "outage", "dip"], ["heat", "peak"], ["heat", "peak", "dip"]]


def example_body(path: str) -> dict[str, Any]:
    return {"data": POINTS, "k": 2} if path.endswith("kmeans") else (
        {"data": POINTS, "eps": 0.5, "min_samples": 2} if path.endswith("dbscan") else {"transactions": BASKETS}
    )  # fmt: skip


@pytest.fixture(scope="module")
def households(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A CSV of 120 households with an id and eight readings, and its rows."""
    chance = random.Random(7)
    path = tmp_path_factory.mktemp("csv") / "households.csv"
    rows: list[dict[str, Any]] = [
        {"meter": f"M{number:03}", **{f"h{h}": round(chance.gauss(1 + (number % 3) * h, 0.2), 3) for h in range(8)}}
        for number in range(120)
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path, rows


@pytest.fixture(scope="module")
def outages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    chance = random.Random(8)
    items = [f"event {number}" for number in range(12)]
    baskets = [chance.sample(items, chance.randint(1, 6)) for _ in range(300)]
    path = tmp_path_factory.mktemp("csv") / "outages.csv"
    lines = [f"{number:04},{item}" for number, basket in enumerate(baskets) for item in basket]
    path.write_text("transaction,item\n" + "\n".join(lines) + "\n")
    return path, baskets


def command_line(*arguments: str) -> Any:
    command = [sys.executable, "-m", "smartgrid", "mine", *arguments, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)


def into_lake(api: Any, file: Path) -> dict[str, str]:
    """Copy a file into the lake; return the reference to it."""
    there = api.home / "lake" / "exports" / file.name
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(file.read_bytes())
    return {"uri": f"exports/{file.name}", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def test_every_example_of_the_description_is_answered(api: Any) -> None:
    document = api.client.get("/openapi.json").json()
    sent = 0
    for path, operations in document["paths"].items():
        if not path.startswith(PREFIX):
            continue
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for name, example in content.get("application/json", {}).get("examples", {}).items():
            answer = api.client.post(path, json=example["value"])
            assert answer.status_code == 200, (path, name, answer.text)
            sent += 1
    assert sent >= 2 * len(ROUTES)


@pytest.mark.parametrize("path", ROUTES)
def test_without_a_token_it_is_401_and_without_the_role_403(api: Any, path: str) -> None:
    import httpx

    body = example_body(path)
    nobody = httpx.post(f"{api.url}{PREFIX}/{path}", json=body)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    # Not even told whether the body is right.
    assert httpx.post(f"{api.url}{PREFIX}/{path}", content=b"{").status_code == 401
    assert httpx.post(f"{api.url}{PREFIX}/{path}", json=body, headers=headers("viewer")).status_code == 403
    assert httpx.post(f"{api.url}{PREFIX}/{path}", json=body, headers=headers("admin")).status_code == 200


def test_health_is_open_and_says_how_many_workers_there_are(api: Any) -> None:
    import httpx

    answer = httpx.get(f"{api.url}/health")
    assert answer.status_code == 200
    assert "mining worker" in answer.json()["detail"]


def test_clusters_are_those_of_the_command_line(api: Any, households: Any) -> None:
    path, rows = households
    reference = into_lake(api, path)
    for method, chosen, words in (
        ("kmeans", {"k": 3}, ["--k", "3"]),
        ("dbscan", {"eps": 2.0, "min_samples": 4}, ["--eps", "2.0", "--min-samples", "4"]),
    ):
        expected = command_line(method, "--input", str(path), *words)
        for body in ({"dataset": reference}, {"data": rows}):
            answer = api.mine(f"clustering/{method}", body | chosen)
            assert answer.status_code == 200, answer.text
            assert answer.json() == expected


def test_itemsets_and_rules_are_those_of_the_command_line(api: Any, outages: Any) -> None:
    path, baskets = outages
    reference = into_lake(api, path)
    for method in ("apriori", "fp-growth"):
        expected = command_line(method, "--input", str(path), "--min-support", "0.02", "--min-confidence", "0.3")
        assert len(expected["rules"]) > 20
        for body in ({"dataset": reference}, {"transactions": baskets}):
            answer = api.mine(f"association-rules/{method}", body | {"min_support": 0.02, "min_confidence": 0.3})
            assert answer.status_code == 200, answer.text
            assert answer.json() == expected


def test_scikit_learns_names_are_understood(api: Any, households: Any) -> None:
    _, rows = households
    chosen = {"data": rows, "features": ["h0", "h7"], "n_clusters": 3}
    answer = api.mine("clustering/kmeans", chosen).json()
    assert (answer["k"], answer["columns"], answer["id_column"]) == (3, ["h0", "h7"], None)
    named = api.mine("clustering/kmeans", chosen | {"id_column": "meter"}).json()
    assert named["ids"][:2] == ["M000", "M001"]
    assert named["labels"] == answer["labels"]


def test_partial_results_are_marked(api: Any, outages: Any) -> None:
    _, baskets = outages
    body = {"transactions": baskets, "min_support": 0.01, "max_itemsets": 5}
    answer = api.mine("association-rules/fp-growth", body)
    assert answer.status_code == 200
    assert answer.json()["partial"] is True
    assert "5" in answer.json()["partial_reason"]
    refused = api.mine("association-rules/fp-growth", body | {"on_limit": "error"})
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["field"] == "max_itemsets"


def test_small_requests_are_answered_well_below_a_third_of_a_second(api: Any) -> None:
    for path in ROUTES:
        seconds = []
        for _ in range(9):
            began = time.perf_counter()
            assert api.mine(path, example_body(path)).status_code == 200
            seconds.append(time.perf_counter() - began)
        assert statistics.median(seconds) < 0.3, path


def test_many_callers_at_once_get_their_own_answers(api: Any) -> None:
    def ask(number: int) -> tuple[int, int]:
        path = ROUTES[number % 4]
        body = example_body(path)
        if "data" in body:
            body["data"] = [*POINTS, *([float(n), 50.0 + n] for n in range(number))]
            return len(body["data"]), len(api.mine(path, body).json()["labels"])
        body["transactions"] = [*BASKETS, *(["extra"] for _ in range(number))]
        return len(body["transactions"]), api.mine(path, body).json()["transactions"]

    with ThreadPoolExecutor(12) as pool:
        for sent, answered in pool.map(ask, range(40)):
            assert sent == answered
    assert len(api.app.state.pool.workers) <= 2


def test_description_is_complete(api: Any) -> None:
    document = api.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert "bearerFormat" in str(document["components"]["securitySchemes"]) or document["components"]["securitySchemes"]
    for path in ROUTES:
        operation = document["paths"][f"{PREFIX}/{path}"]["post"]
        assert {"200", "202", "401", "403", "413", "415", "422", "429", "503"} <= set(operation["responses"])
        assert operation["security"]
        body = operation["requestBody"]["content"]["application/json"]
        request = schemas[body["schema"]["$ref"].rpartition("/")[2]]
        assert body["examples"]
        for name, field in request["properties"].items():
            assert field.get("description"), (path, name)
        assert request["additionalProperties"] is False
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        given = api.mine(path, example_body(path)).json()
        assert set(given) == set(schemas[answer]["properties"]), path
