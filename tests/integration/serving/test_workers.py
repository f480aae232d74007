"""--workers: several processes that behave as one server, also while one of them dies.

The kernel chooses the worker of each connection, so "everywhere" means: by each of a dozen new connections.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import numpy as np
import psutil
import pytest
import requests
from google.protobuf import text_format
from serving_process import MODEL, ROOT, ServerProcess, free_port

from smartgrid.serving.model_repository import publish
from tf_serving.embedded.protos import get_model_status_pb2, model_management_pb2

pytestmark = pytest.mark.servers

T = TypeVar("T")
CONNECTIONS = 12
BODY = b'{"instances": [[1,1,1,1,1,1,1]]}'
METRICS = "/monitoring/prometheus/metrics"
PREFIX = ":tensorflow:serving:"


def everywhere(ask: Callable[[], T]) -> list[T]:
    return [ask() for _ in range(CONNECTIONS)]


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def workers(server: ServerProcess) -> list[psutil.Process]:
    assert server.process is not None
    return psutil.Process(server.process.pid).children()


def predict(server: ServerProcess, path: str = MODEL) -> requests.Response:
    return requests.post(f"{server.rest_url}/v1/models/{path}:predict", data=BODY, timeout=20)


def states(server: ServerProcess, name: str = MODEL) -> dict[int, str]:
    answer = requests.get(f"{server.rest_url}/v1/models/{name}", timeout=20).json()
    return {int(entry["version"]): entry["state"] for entry in answer.get("model_version_status", [])}


def call(target: str, method: str, request: Any, response: Any) -> Any:
    """A call on a connection of its own: else all channels of this process share one."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = channel.unary_unary(
            f"/tensorflow.serving.ModelService/{method}", type(request).SerializeToString, response.FromString
        )
        return ask(request, timeout=30)


def states_by_grpc(target: str, name: str = MODEL) -> dict[int, int]:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    answer = call(target, "GetModelStatus", request, get_model_status_pb2.GetModelStatusResponse)
    return {entry.version: entry.state for entry in answer.model_version_status}


def model(name: str, base: Path, more: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more} }}'


def reload(server: ServerProcess, *models: str) -> Any:
    text = f"config {{ model_config_list {{ {' '.join(models)} }} }}"
    request = text_format.Parse(text, model_management_pb2.ReloadConfigRequest())
    return call(server.grpc_target, "HandleReloadConfigRequest", request, model_management_pb2.ReloadConfigResponse)


def counted(server: ServerProcess) -> dict[str, float]:
    """Every series that the metrics page shows."""
    lines = requests.get(server.rest_url + METRICS, timeout=20).text.splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {series: float(value) for series, value in samples}


def answered(server: ServerProcess, name: str = MODEL) -> float:
    return counted(server).get(f'{PREFIX}request_count{{model_name="{name}",status="OK"}}', 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> Path:
    """Holds models with version 1, and 2 for `MODEL`."""
    folder = tmp_path_factory.mktemp("workers")
    publish(saved_models / "v1", folder / MODEL, 1)
    publish(saved_models / "v2", folder / MODEL, 2)
    publish(saved_models / "v2", folder / "other", 1)
    return folder


@pytest.fixture(scope="module")
def both_versions(folder: Path) -> str:
    return model(MODEL, folder / MODEL, "model_version_policy { all {} }")


@pytest.fixture(scope="module")
def server(folder: Path, both_versions: str) -> Iterator[ServerProcess]:
    """Two workers with both versions of `MODEL`."""
    (folder / "models.config").write_text(f"model_config_list {{ {both_versions} }}")
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    server = ServerProcess(
        folder / "server.log",
        "--workers=2",
        f"--model_config_file={folder / 'models.config'}",
        f"--grpc_socket_path={folder / 's'}",
        f"--monitoring_config_file={folder / 'monitoring.config'}",
    ).start()
    yield server
    assert server.stop() == 0


def test_a_new_configuration_is_in_every_worker_when_the_answer_comes(
    server: ServerProcess, folder: Path, both_versions: str
) -> None:
    assert len(workers(server)) == 2
    reload(server, both_versions, model("other", folder / "other"))
    assert {answer.status_code for answer in everywhere(lambda: predict(server, "other"))} == {200}
    assert everywhere(lambda: states(server, "other")) == [{1: "AVAILABLE"}] * CONNECTIONS
    assert everywhere(lambda: states_by_grpc(server.grpc_target, "other")) == [{1: 30}] * CONNECTIONS
    assert everywhere(lambda: states_by_grpc(f"unix:{folder / 's'}", "other")) == [{1: 30}] * CONNECTIONS
    reload(server, both_versions)
    eventually(lambda: states(server, "other") == {1: "END"})
    assert {answer.status_code for answer in everywhere(lambda: predict(server, "other"))} == {404}


def test_a_refused_configuration_changes_nothing_anywhere(
    server: ServerProcess, folder: Path, both_versions: str
) -> None:
    reload(server, model(MODEL, folder / MODEL, 'model_version_policy { all {} } version_labels { key: "s" value: 1 }'))
    with pytest.raises(grpc.RpcError) as caught:
        reload(
            server,
            model(MODEL, folder / MODEL, 'version_labels { key: "s" value: 9 }'),
            model("other", folder / "other"),
        )
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    first = predict(server, f"{MODEL}/versions/1").json()
    assert everywhere(lambda: predict(server, f"{MODEL}/labels/s").json()) == [first] * CONNECTIONS
    assert everywhere(lambda: states(server)) == [{2: "AVAILABLE", 1: "AVAILABLE"}] * CONNECTIONS
    assert {answer.status_code for answer in everywhere(lambda: predict(server, "other"))} == {404}


def test_a_label_moves_in_every_worker_at_once(server: ServerProcess, folder: Path) -> None:
    for version in (1, 2, 1):
        label = f'model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: {version} }}'
        reload(server, model(MODEL, folder / MODEL, label))
        wanted = predict(server, f"{MODEL}/versions/{version}").json()
        assert everywhere(lambda: predict(server, f"{MODEL}/labels/stable").json()) == [wanted] * CONNECTIONS


def test_metrics_are_the_sums_whoever_is_asked(server: ServerProcess) -> None:
    before = counted(server)
    assert {answer.status_code for answer in everywhere(lambda: predict(server))} == {200}
    everywhere(lambda: predict(server, f"{MODEL}/versions/9"))
    first, *others = everywhere(lambda: counted(server))
    assert others == [first] * (CONNECTIONS - 1)
    added = {series: value - before.get(series, 0) for series, value in first.items() if not series.endswith("_sum")}
    assert added[f'{PREFIX}request_count{{model_name="{MODEL}",status="OK"}}'] == CONNECTIONS
    assert added[f'{PREFIX}request_count{{model_name="{MODEL}",status="NOT_FOUND"}}'] == CONNECTIONS
    assert added[f'{PREFIX}runtime_latency_bucket{{model_name="{MODEL}",API="Predict",runtime="TF1",le="+Inf"}}'] == 12


def test_a_killed_worker_is_replaced_by_one_with_the_current_configuration(
    server: ServerProcess, folder: Path, both_versions: str
) -> None:
    reload(server, both_versions, model("other", folder / "other"))
    reload(server, both_versions, model("other", folder / "other", 'version_labels { key: "s" value: 1 }'))
    everywhere(lambda: predict(server))
    before = counted(server)
    victim, survivor = workers(server)
    victim.kill()
    victim.wait(10)
    assert {answer.status_code for answer in everywhere(lambda: predict(server, "other/labels/s"))} == {200}
    eventually(lambda: server.text().count("is ready") == 3)
    survivor.suspend()  # its connections wait: whatever is answered now is answered by the new one
    try:
        eventually(lambda: _answers_quickly(server, "other/labels/s"))
    finally:
        survivor.resume()
    assert {answer.status_code for answer in everywhere(lambda: predict(server, "other/labels/s"))} == {200}
    assert everywhere(lambda: states(server, "other")) == [{1: "AVAILABLE"}] * CONNECTIONS
    assert everywhere(lambda: states_by_grpc(f"unix:{folder / 's'}", "other")) == [{1: 30}] * CONNECTIONS
    after = counted(server)
    assert all(after[series] >= value for series, value in before.items())
    assert survivor in workers(server)


def _answers_quickly(server: ServerProcess, path: str) -> bool:
    try:
        return requests.post(f"{server.rest_url}/v1/models/{path}:predict", data=BODY, timeout=0.5).status_code == 200
    except requests.Timeout:
        return False


def test_a_new_version_is_available_only_when_no_request_can_reach_the_old_one(
    start_server: Callable[..., ServerProcess], base: Path, saved_models: Path, expected: dict[str, np.ndarray]
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", "--workers=2")
    old = predict(server).json()
    answers: list[Any] = []
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            answers.append(predict(server).json())

    askers = [threading.Thread(target=keep_asking) for _ in range(3)]
    for asker in askers:
        asker.start()
    publish(saved_models / "v2", base, 2)
    eventually(lambda: states(server).get(2) == "AVAILABLE")
    afterwards = everywhere(lambda: predict(server).json())
    done.set()
    for asker in askers:
        asker.join()
    new = predict(server, f"{MODEL}/versions/2").json()
    assert new != old
    assert afterwards == [new] * CONNECTIONS
    assert all(answer in (old, new) for answer in answers), "a request failed during the swap"
    eventually(lambda: states(server) == {2: "AVAILABLE", 1: "END"})
    assert server.process is not None
    family = [server.process.pid, *(worker.pid for worker in workers(server))]
    server.kill()
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in family[1:]))  # no orphan holds the ports


def test_sigterm_finishes_what_is_under_way_in_every_worker(typed_models: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text("")
    server = ServerProcess(
        tmp_path / "log", "--workers=2", f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=0.1"
    ).start()
    config.write_text(f"model_config_list {{ {model('typed', typed_models)} }}")
    eventually(lambda: states(server, "typed") == {1: "AVAILABLE"})
    family = workers(server)
    answers: list[int] = []

    def ask(loops: int) -> int:
        body = {"signature_name": "slow", "inputs": loops}
        return requests.post(f"{server.rest_url}/v1/models/typed:predict", json=body, timeout=60).status_code

    began = time.perf_counter()
    assert ask(20_000) == 200
    # Two seconds on a machine of any speed: time enough to ask it to end meanwhile.
    loops = int(20_000 * 2 / (time.perf_counter() - began))
    askers = [threading.Thread(target=lambda: answers.append(ask(loops))) for _ in range(4)]
    for asker in askers:
        asker.start()
    time.sleep(0.3)
    assert not answers, "the model is too fast for this test"
    assert server.stop() == 0
    for asker in askers:
        asker.join()
    assert answers == [200] * 4
    assert not any(worker.is_running() for worker in family)


def test_a_first_version_that_cannot_be_loaded_ends_all(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    command = [sys.executable, "-m", "tf_serving.embedded", f"--port={free_port()}", "--workers=2"]
    command += [f"--model_base_path={tmp_path}", "--max_num_load_retries=0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: default version: 1} due to error: NOT_FOUND: Could not find SavedModel .pb or .pbtxt" in ended.stderr
    )
    refused = subprocess.run(
        [*command, "--batching_parameters_file=/x"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode != 0
    assert "batching_parameters_file is set without setting server_options.enable_batching" in refused.stderr
