"""What a client can see of tensorflow_model_server, to the byte where that is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from serving_process import MODEL, ROOT, ServerProcess, free_port

from smartgrid.serving import connect
from smartgrid.serving.client import ServingClient
from smartgrid.serving.errors import PredictionRejected, UnexpectedAnswer
from smartgrid.serving.model_repository import publish
from tf_serving.embedded.protos import prediction_log_pb2
from tf_serving.embedded.tfrecord import framed, read_records

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]
CONFIG = ROOT / "tf_serving"


def post(server: ServerProcess, path: str, body: object) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{server.rest_url}/v1/models/{path}", data, timeout=60)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("half_plus_two:predict", {"instances": [[1.0], [5.0]]}, '{\n    "predictions": [[2.5], [4.5]\n    ]\n}'),
        ("typed:predict", {"inputs": [1.5, -0.0]}, '{\n    "outputs": [\n        1.5,\n        -0.0\n    ]\n}'),
        ("typed:predict", {"inputs": 2}, '{\n    "outputs": 2.0\n}'),
        (
            "typed:predict",
            {"signature_name": "two", "instances": [{"a": 1, "b": 2}]},
            '{\n    "predictions": [\n        {\n            "b_next": 3,\n            "sum": 3.0\n        }\n    ]\n}',
        ),
        (
            "typed:predict",
            {"signature_name": "two", "inputs": {"a": [1], "b": [2]}},
            (
                '{\n    "outputs": {\n        "b_next": [\n            3\n        ],\n        "sum": [\n'
                "            3.0\n        ]\n    }\n}"
            ),
        ),
        ("typed:predict", b'{"instances": [NaN, -Infinity]}', '{\n    "predictions": [NaN, -Infinity\n    ]\n}'),
        (
            "typed:predict",
            {"instances": [[9000000, 999999, 0.5], [0.0003, 0.00003, 555557.5], [-1234560, 1234567, 16777215]]},
            (
                '{\n    "predictions": [[9e+06, 999999.0, 0.5], [0.0003, 3e-05, 555557.5], '
                "[-1.23456e+06, 1234567.0, 16777215.0]\n    ]\n}"
            ),
        ),
        ("absent:predict", {}, '{\n    "error": "Servable not found for request: Latest(absent)"\n}'),
        (
            "half_plus_two:regress",
            {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}, {"x": 4.0}]},
            '{\n    "results": [3.0, 4.0]\n}',
        ),
        (
            "half_plus_two:classify",
            {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}, {"x": 4.0}]},
            '{\n    "results": [[["", 3.0]], [["", 4.0]]\n    ]\n}',
        ),
    ],
)
def test_answers_are_laid_out_as_by_tensorflow_serving(
    typed_server: ServerProcess, path: str, body: object, text: str
) -> None:
    answer = post(typed_server, path, body)
    assert answer.text == text
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_status_and_metadata_are_laid_out_as_protobuf_prints_them(typed_server: ServerProcess) -> None:
    status = requests.get(f"{typed_server.rest_url}/v1/models/half_plus_two", timeout=20)
    assert status.text == (
        '{\n "model_version_status": [\n  {\n   "version": "1",\n   "state": "AVAILABLE",\n   "status": {\n'
        '    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
    )
    metadata = requests.get(f"{typed_server.rest_url}/v1/models/half_plus_two/metadata", timeout=20)
    assert metadata.text.startswith(
        '{\n"model_spec":{\n "name": "half_plus_two",\n "signature_name": "",\n "version": "1"\n}\n,\n'
        '"metadata": {"signature_def": {\n "signature_def": {\n'
    )
    assert metadata.text.endswith("\n}\n}\n}\n")
    assert "serving_default" in metadata.json()["metadata"]["signature_def"]["signature_def"]


def test_a_wrong_value_after_a_million_good_ones_is_found_soon(typed_server: ServerProcess) -> None:
    began = time.monotonic()
    rows = post(typed_server, "typed:predict", b'{"instances": [' + b"1.5," * 1_000_000 + b'"x"]}')
    assert "Failed to process element: 1000000 of 'instances' list." in rows.json()["error"]
    column = post(typed_server, "typed:predict", b'{"inputs": [' + b"1.5," * 1_000_000 + b"null]}")
    assert "JSON Value: null Type: Null is not of expected type: float" in column.json()["error"]
    assert time.monotonic() - began < 30


# --- the client, against models that are not this platform's


@pytest.fixture(params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, typed_server: ServerProcess) -> Any:
    rest = request.param == "rest"
    opened = connect(**({"rest_url": typed_server.rest_url} if rest else {"grpc_target": typed_server.grpc_target}))
    yield opened
    opened.close()


def test_the_client_finds_the_one_input_whatever_its_name_and_type(client: ServingClient) -> None:
    answer = client.predict("half_plus_two", np.array([[2.0], [3.0]]))
    assert answer.tolist() == [[3.0], [3.5]]
    assert client.predict("typed", np.array([1, 2]), signature_name="echo_int64").tolist() == [1, 2]
    with pytest.raises((PredictionRejected, UnexpectedAnswer)):
        client.predict("typed", np.array([1.0]), signature_name="two")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "int8", "bool", "uint32", "uint64"])
def test_the_client_carries_every_type_and_shape(client: ServingClient, dtype: str) -> None:
    for array in (np.array([[0, 1, 1]]).astype(dtype), np.array(1).astype(dtype)):
        answer = client.predict_named("typed", {"x": array}, signature_name=f"echo_{dtype}")["y"]
        assert (answer.dtype, answer.shape, answer.tolist()) == (array.dtype, array.shape, array.tolist())


def test_the_client_carries_several_inputs_and_outputs_and_bytes(client: ServingClient) -> None:
    inputs = {"a": np.array([1.5, 2.5], np.float32), "b": np.array([1, 2])}
    answer = client.predict_named("typed", inputs, signature_name="two")
    assert {name: array.tolist() for name, array in answer.items()} == {"sum": [2.5, 4.5], "b_next": [2, 3]}
    texts = client.predict_named("typed", {"text": np.array([b"a\x00", "\u00e4"], object)}, signature_name="shout")
    assert texts["image_bytes"].tolist() == [b"a\x00", "\u00e4".encode()]
    with pytest.raises(PredictionRejected, match="not found"):
        client.predict_named("typed", inputs, signature_name="absent")


# --- the life of the server


def test_the_projects_own_files_drive_the_server(start_server: Start, base: Path, saved_models: Path) -> None:
    publish(saved_models / "v1", base, 1)
    config = base.parent.parent / "models.config"
    config.write_text((CONFIG / "models.config").read_text().replace("/models/", f"{base.parent}/"))
    server = start_server(
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=30",
        f"--monitoring_config_file={CONFIG / 'monitoring.config'}",
        "--enable_batching",
        f"--batching_parameters_file={CONFIG / 'batching.config'}",
    )
    assert post(server, f"{MODEL}:predict", {"instances": [[0.0] * 7]}).json() == {"predictions": [0.0]}
    path = "/monitoring/prometheus/metrics"
    text = requests.get(server.rest_url + path, timeout=20).text
    assert ':tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name="batch_threads"} 1' in text
    wrong = requests.get(f"{server.rest_url}{path}?x=1", timeout=20)
    assert (wrong.status_code, wrong.text) == (400, f"Unexpected path: {path}?x=1. Should be {path}")


def logging_config(base: Path, prefix: Path) -> str:
    return (
        f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{base}" model_platform: "tensorflow" '
        f'logging_config {{ log_collector_config {{ filename_prefix: "{prefix}" }} '
        "sampling_config { sampling_rate: 1 } } } }"
    )


@pytest.mark.parametrize("more", [(), ("--workers=2",)])
def test_logged_requests_can_warm_up_the_next_version(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    publish(saved_models / "v1", base, 1)
    config, prefix = tmp_path / "models.config", tmp_path / "log" / "requests"
    config.write_text(logging_config(base, prefix))
    server = start_server(f"--model_config_file={config}", *more)
    assert post(server, f"{MODEL}:predict", {"instances": [[0.0] * 7]}).status_code == 200
    assert post(server, f"{MODEL}:predict", {"instances": [["x"] * 7]}).status_code == 400
    client = connect(grpc_target=server.grpc_target)
    client.predict(MODEL, np.ones((2, 7)))
    client.close()
    assert server.stop() == 0
    records = [record for file in prefix.parent.iterdir() for record in read_records(file)]
    entries = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    shapes = [[dim.size for dim in entry.predict_log.request.inputs["features"].tensor_shape.dim] for entry in entries]
    assert sorted(shapes) == [[1, 7], [2, 7]]
    next_version = tmp_path / "next"
    shutil.copytree(saved_models / "v2", next_version)
    (next_version / "assets.extra").mkdir()
    warmup = next_version / "assets.extra" / "tf_serving_warmup_requests"
    warmup.write_bytes(b"".join(framed(record) for record in records))
    publish(next_version, base, 2)
    again = start_server(f"--model_name={MODEL}", f"--model_base_path={base}")
    assert "2 warm-up requests replayed" in again.text()


def test_method_names_are_checked_where_that_is_asked_for(start_server: Start, typed_models: Path) -> None:
    flags = ("--model_name=typed", f"--model_base_path={typed_models}")
    server = start_server(*flags, "--enable_signature_method_name_check")
    refused = post(server, "typed:regress", {"signature_name": "regress", "examples": [{"x": 1.0}]})
    assert refused.json()["error"] == (
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict"
    )
    assert post(server, "typed:predict", {"instances": [1.0]}).json() == {"predictions": [1.0]}


def test_a_version_without_its_variables_is_not_served_until_they_come(
    start_server: Start, base: Path, saved_models: Path
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(
        f"--model_name={MODEL}",
        f"--model_base_path={base}",
        "--max_num_load_retries=0",
    )
    (base / "2").mkdir()
    shutil.copy(saved_models / "v2" / "saved_model.pb", base / "2")
    client = connect(rest_url=server.rest_url)

    def second() -> Any:
        return next((status for status in client.status(MODEL) if status.version == 2), None)

    deadline = time.monotonic() + 20
    while not ((found := second()) and found.failed):
        assert time.monotonic() < deadline, server.text()
        time.sleep(0.05)
    assert "Could not find the variables of the SavedModel" in found.error_message
    assert post(server, f"{MODEL}:predict", {"instances": [[0.0] * 7]}).status_code == 200
    shutil.copytree(saved_models / "v2" / "variables", base / "2" / "variables")
    while not second().available:
        assert time.monotonic() < deadline, server.text()
        time.sleep(0.05)
    client.close()


def test_all_versions_serve_when_the_ports_open(start_server: Start, base: Path, saved_models: Path) -> None:
    for version, source in ((1, "v1"), (2, "v2"), (3, "v1")):
        publish(saved_models / source, base, version)
    (base / "5").symlink_to(saved_models / "v2")
    for ignored in ("-4", "4.tmp", "abc"):
        (base / ignored).mkdir()
    config = base.parent / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{base}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    server = start_server(f"--model_config_file={config}")
    answer = requests.get(f"{server.rest_url}/v1/models/{MODEL}", timeout=20).json()["model_version_status"]
    assert [(entry["version"], entry["state"]) for entry in answer] == [(v, "AVAILABLE") for v in "5321"]


def test_requests_under_way_end_before_the_server_does(start_server: Start, typed_models: Path, tmp_path: Path) -> None:
    server = start_server("--model_name=typed", f"--model_base_path={typed_models}")
    slow = {"signature_name": "slow", "inputs": 20_000}
    began = time.monotonic()
    assert post(server, "typed:predict", slow).json() == {"outputs": 20_000}
    slow["inputs"] = steps = int(20_000 * max(1.0, 1.5 / (time.monotonic() - began)))
    answers: list[Any] = []
    by_grpc = connect(grpc_target=server.grpc_target)
    named = {"steps": np.array(steps)}
    by_grpc.predict_named("typed", {"x": np.array([1.0], np.float32)})  # connected, before the server stops listening
    requests_under_way = [
        threading.Thread(target=lambda: answers.append(post(server, "typed:predict", slow).json()["outputs"])),
        threading.Thread(
            target=lambda: answers.append(int(by_grpc.predict_named("typed", named, signature_name="slow")["count"]))
        ),
    ]
    for thread in requests_under_way:
        thread.start()
    time.sleep(0.4)
    assert server.stop() == 0
    for thread in requests_under_way:
        thread.join()
    by_grpc.close()
    assert answers == [steps, steps]


def test_a_failed_start_is_told_on_both_outputs(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    command = [
        sys.executable, "-m", "tf_serving.embedded", f"--port={free_port()}", f"--model_base_path={tmp_path}",
        "--max_num_load_retries=0",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 255
    text = "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {{{name: default version: 1"
    assert text in ended.stdout
    assert text in ended.stderr
