"""Whatever is sent to it, the server answers, stays up, and gives its memory back."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
import requests
from serving_process import MODEL, ServerProcess

from smartgrid.serving import connect
from smartgrid.serving.model_repository import publish, remove

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]
Expected = dict[str, np.ndarray]
PATH = f"/v1/models/{MODEL}:predict"
GOOD = json.dumps({"instances": [[0.5] * 7]}).encode()
# What a body can be -> the status that it gets.
BODIES: tuple[tuple[bytes, int], ...] = (
    (GOOD, 200),
    (b"", 400),
    (b"{", 400),
    (b"[1, 2]", 400),
    (b"\xff\xfe\x00", 400),
    (b'{"instances": []}', 400),
    (b'{"instances": [[1, 2]]}', 400),
    (b'{"instances": [[1, 2], [3]]}', 400),
    (b'{"instances": [["x"]]}', 400),
    (b'{"instances": [{"features": [0.5]}], "inputs": 1}', 400),
    (b'{"signature_name": "none", "instances": [[0.5]]}', 400),
    (b'{"inputs": {"features": [[0, 1, 2, 3, 4, 5, 6]]}}', 200),
    (b'{"signature_name": "two", "inputs": {"level_kw": [1.0], "slot": [2.5]}}', 400),
    (b'{"instances": ' + b"[" * 5000, 400),
)
# What a path can be, with the good body -> the status that it gets.
PATHS: tuple[tuple[str, int], ...] = (
    ("/v1/models/stranger:predict", 404),
    (f"/v1/models/{MODEL}/versions/77:predict", 404),
    (f"/v1/models/{MODEL}/labels/none:predict", 400),
    (f"/v1/models/{MODEL}/versions/99999999999999999999:predict", 400),
    (f"/v1/models/{MODEL}:nothing", 400),
    ("/nowhere", 404),
)


def raw(server: ServerProcess, data: bytes, *, finish: bool = True) -> bytes:
    """What comes back for `data`, sent as it is."""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        connection.sendall(data)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def answers(server: ServerProcess) -> bool:
    return requests.post(f"{server.rest_url}{PATH}", data=GOOD, timeout=20).status_code == 200


def rss_mib(server: ServerProcess) -> float:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def open_files(server: ServerProcess) -> int:
    assert server.process is not None
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@pytest.mark.parametrize(
    "data",
    [
        b"this is no HTTP\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
    ],
)
def test_malformed_http_is_refused(shared_server: ServerProcess, data: bytes) -> None:
    assert raw(shared_server, data).startswith(b"HTTP/1.1 4")
    assert answers(shared_server)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
        b"GET / \x00HTTP/1.1\r\n\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_or_stops_being_it_is_refused_or_dropped(shared_server: ServerProcess, data: bytes) -> None:
    answer = raw(shared_server, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert answers(shared_server)


@pytest.mark.parametrize("cut", [1, 20, 60, 120, -1])
def test_truncated_request_is_dropped(shared_server: ServerProcess, cut: int) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode()
    answer = raw(shared_server, (head + GOOD)[:cut])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert answers(shared_server)


def test_body_of_100_mb_gets_an_answer_while_others_are_served(shared_server: ServerProcess) -> None:
    row = b"[0.123456789,0.123456789,0.123456789,0.123456789,0.123456789,0.123456789,0.123456789],"
    rows = 100_000_000 // len(row)
    body = b'{"instances": [' + (row * rows)[:-1] + b"]}"
    answer = requests.post(f"{shared_server.rest_url}{PATH}", data=body, timeout=280)
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == rows
    garbage = requests.post(f"{shared_server.rest_url}{PATH}", data=b"x" * 100_000_000, timeout=60)
    assert garbage.status_code == 400
    assert len(garbage.content) < 5000
    assert answers(shared_server)


@pytest.mark.parametrize("connections", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_idle_connections_do_not_keep_others_out(start_server: Start, base: Path, saved_models: Path, connections: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows only {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        publish(saved_models / "v1", base, 1)
        server = start_server()  # inherits the limit
        before = open_files(server)
        with ExitStack() as stack:
            for _ in range(connections):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.rest_port), timeout=30))
            client = connect(rest_url=server.rest_url)
            began = time.monotonic()
            for _ in range(20):
                assert len(client.predict(MODEL, np.full((1, 7), 0.5))) == 1
            assert time.monotonic() - began < 20
            client.close()
        deadline = time.monotonic() + 30
        while open_files(server) > before + 20:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_corrupt_saved_model_beside_a_good_one(start_server: Start, base: Path, saved_models: Path, tmp_path: Path):
    publish(saved_models / "v1", base, 1)
    server = start_server()
    for version, damage in enumerate(("empty", "cut", "noise", "no data"), start=2):
        broken = tmp_path / damage
        shutil.copytree(saved_models / "v2", broken)
        file = broken / "saved_model.pb"
        if damage == "empty":
            file.write_bytes(b"")
        elif damage == "cut":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        elif damage == "noise":
            file.write_bytes(np.random.default_rng(0).bytes(5000))
        else:
            (broken / "variables" / "variables.data-00000-of-00001").unlink()
        publish(broken, base, version)
    deadline = time.monotonic() + 30
    while f"version {version}" not in server.text():
        assert time.monotonic() < deadline, server.text()
        time.sleep(0.1)
    for _ in range(20):
        assert answers(server)
        time.sleep(0.05)


def test_version_folder_deleted_while_it_serves(start_server: Start, base: Path, saved_models: Path) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server()
    assert answers(server)
    shutil.rmtree(base / "1")
    deadline = time.monotonic() + 30
    while (status := requests.post(f"{server.rest_url}{PATH}", data=GOOD, timeout=20).status_code) != 404:
        assert status == 200
        assert time.monotonic() < deadline
    publish(saved_models / "v2", base, 2)
    while not answers(server):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_kind_of_bad_request_gets_its_status(shared_server: ServerProcess) -> None:
    for body, status in BODIES:
        answer = requests.post(f"{shared_server.rest_url}{PATH}", data=body, timeout=20)
        assert answer.status_code == status, (body[:80], answer.text[:300])
    for path, status in PATHS:
        answer = requests.post(f"{shared_server.rest_url}{path}", data=GOOD, timeout=20)
        assert answer.status_code == status, (path, answer.text[:300])


@pytest.mark.parametrize(
    ("count", "batching"),
    [(5000, False), (5000, True), pytest.param(200_000, False, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_mixed_requests_in_bulk_do_not_grow_the_memory(
    start_server: Start, base: Path, saved_models: Path, count: int, batching: bool
) -> None:
    publish(saved_models / "v1", base, 1)
    flags = ["--enable_batching"] if batching else []
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", *flags)
    channel = grpc.insecure_channel(server.grpc_target)
    predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    session = requests.Session()

    def send(number: int) -> None:
        """Nine by REST, one by gRPC; every path and label is new, so that nothing that is remembered may grow."""
        if number % 10 == 9:
            with pytest.raises(grpc.RpcError):
                predict(b"\xff\xff no message" if number % 20 == 9 else b"", timeout=20)
            return
        if number % 10 == 8:
            path, wanted = f"/v1/models/stranger{number}/labels/l{number}:predict", (400, 404)
            body = GOOD
        elif number % 10 == 7:
            (path, status), body = PATHS[number % len(PATHS)], GOOD
            wanted = (status,)
        else:
            path, (body, status) = PATH, BODIES[number % len(BODIES)]
            wanted = (status,)
        answer = session.post(f"{server.rest_url}{path}", data=body, timeout=20)
        assert answer.status_code in wanted, (path, body[:80], answer.text[:300])

    for number in range(2000):  # caches and pools of the libraries fill up
        send(number)
    before = rss_mib(server)
    for number in range(2000, 2000 + count):
        send(number)
    grown = rss_mib(server) - before
    session.close()
    channel.close()
    assert answers(server)
    assert grown < 12, f"{grown:.1f} MiB after {count} requests"


def test_memory_is_released_when_versions_are_unloaded(start_server: Start, base: Path, saved_models: Path) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server()
    client = connect(rest_url=server.rest_url)

    def swap(version: int) -> None:
        publish(saved_models / ("v2" if version % 2 == 0 else "v1"), base, version)
        client.wait_available(MODEL, version, timeout_s=30)
        assert answers(server)
        remove(base, version - 1)

    for version in range(2, 8):
        swap(version)
    before = rss_mib(server)
    for version in range(8, 28):
        swap(version)
    grown = rss_mib(server) - before
    client.close()
    assert grown < 20, f"{grown:.1f} MiB after 20 swaps"


def test_unreadable_grpc_messages_are_answered_and_forgotten(
    start_server: Start, base: Path, saved_models: Path
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server()
    with grpc.insecure_channel(server.grpc_target) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

        def send(count: int) -> None:
            for _ in range(count):
                with pytest.raises(grpc.RpcError) as caught:
                    predict(b"\xff\xff no message", timeout=20)
                assert caught.value.code() is grpc.StatusCode.INTERNAL

        send(300)
        before = rss_mib(server)
        send(1500)
        assert rss_mib(server) - before < 6
