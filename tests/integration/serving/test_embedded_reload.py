"""Configurations come by RPC and by file while the server answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.protobuf import text_format
from serving_process import MODEL, ServerProcess
from serving_stubs import model_service_pb2_grpc

from smartgrid.serving.model_repository import publish, remove
from tf_serving.embedded.protos import get_model_status_pb2, model_management_pb2

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]


@pytest.fixture
def service() -> Iterator[Callable[[ServerProcess], Any]]:
    channels: list[grpc.Channel] = []

    def connect(server: ServerProcess) -> Any:
        channels.append(grpc.insecure_channel(server.grpc_target))
        return model_service_pb2_grpc.ModelServiceStub(channels[-1])

    yield connect
    for channel in channels:
        channel.close()


def model(name: str, base: Path, more: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more} }}'


def reload_request(*models: str) -> Any:
    text = f"config {{ model_config_list {{ {' '.join(models)} }} }}"
    return text_format.Parse(text, model_management_pb2.ReloadConfigRequest())


def refusal(stub: Any, request: Any, timeout_s: float = 20) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        stub.HandleReloadConfigRequest(request, timeout=timeout_s)
    return caught.value.code().name, caught.value.details()


def states(server: ServerProcess, name: str) -> dict[int, str]:
    answer = requests.get(f"{server.rest_url}/v1/models/{name}", timeout=20).json()
    return {int(entry["version"]): entry["state"] for entry in answer.get("model_version_status", [])}


def eventually(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def predict(server: ServerProcess, path: str) -> requests.Response:
    body = b'{"instances": [[1,1,1,1,1,1,1]]}'
    return requests.post(f"{server.rest_url}/v1/models/{path}:predict", data=body, timeout=20)


def test_rpc_replaces_the_whole_configuration(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path, service: Callable[[ServerProcess], Any]
) -> None:
    publish(saved_models / "v1", base, 1)
    publish(saved_models / "v2", tmp_path / "other", 5)
    server = start_server()
    stub = service(server)
    request = reload_request(model("other", tmp_path / "other"))
    request.metric_names.append("/tensorflow/serving/request_count")
    response = stub.HandleReloadConfigRequest(request, timeout=30)
    assert (response.status.error_code, response.status.error_message) == (0, "")
    assert [(metric.name, metric.int64_value_increase) for metric in response.metric] == [(request.metric_names[0], 0)]
    assert predict(server, "other").status_code == 200
    eventually(lambda: states(server, MODEL) == {1: "END"})
    answer = predict(server, MODEL)
    assert (answer.status_code, answer.json()) == (404, {"error": f"Servable not found for request: Latest({MODEL})"})
    stub.HandleReloadConfigRequest(reload_request(), timeout=30)
    eventually(lambda: states(server, "other") == {5: "END"})


def test_policies_and_labels_move_without_a_gap(
    start_server: Start, base: Path, saved_models: Path, service: Callable[[ServerProcess], Any]
) -> None:
    for version, folder in ((1, "v1"), (2, "v2"), (3, "v1")):
        publish(saved_models / folder, base, version)
    server = start_server()
    stub = service(server)
    assert states(server, MODEL) == {3: "AVAILABLE"}

    def policy(text: str, **labels: int) -> Any:
        marks = " ".join(f'version_labels {{ key: "{label}" value: {to} }}' for label, to in labels.items())
        return reload_request(model(MODEL, base, f"model_version_policy {{ {text} }} {marks}"))

    stub.HandleReloadConfigRequest(policy("specific { versions: 1 versions: 2 }"), timeout=30)
    eventually(lambda: states(server, MODEL) == {3: "END", 2: "AVAILABLE", 1: "AVAILABLE"})
    stub.HandleReloadConfigRequest(policy("specific { versions: 1 versions: 2 }", stable=1), timeout=30)
    assert predict(server, f"{MODEL}/labels/stable").json() == predict(server, f"{MODEL}/versions/1").json()
    code, text = refusal(stub, policy("specific { versions: 1 versions: 2 }", stable=3))
    assert code == "FAILED_PRECONDITION"
    assert text == (
        f"Request to assign label to version 3 of model {MODEL}, which is not currently available for inference"
    )
    assert predict(server, f"{MODEL}/labels/stable").status_code == 200
    stub.HandleReloadConfigRequest(policy("specific { versions: 2 }", stable=2), timeout=30)
    assert predict(server, f"{MODEL}/labels/stable").json() == predict(server, f"{MODEL}/versions/2").json()
    answer = predict(server, f"{MODEL}/labels/canary")
    assert (answer.status_code, answer.json()["error"]) == (400, "Unrecognized servable version label: canary")
    stub.HandleReloadConfigRequest(policy("all {}"), timeout=30)
    eventually(lambda: states(server, MODEL) == dict.fromkeys((3, 2, 1), "AVAILABLE"))
    stub.HandleReloadConfigRequest(policy("latest { num_versions: 2 }"), timeout=30)
    eventually(lambda: states(server, MODEL) == {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"})
    remove(base, 3)
    eventually(lambda: states(server, MODEL) == {3: "END", 2: "AVAILABLE", 1: "AVAILABLE"})


def test_refused_configurations_have_the_texts_of_the_real_server(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path, service: Callable[[ServerProcess], Any]
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", "--max_num_load_retries=0")
    stub = service(server)
    assert refusal(stub, model_management_pb2.ReloadConfigRequest()) == (
        "INVALID_ARGUMENT",
        (
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        ),
    )
    twice = reload_request(model("a", base), model("a", base))
    assert refusal(stub, twice) == ("INVALID_ARGUMENT", "Illegal to list model a multiple times in config list")
    assert refusal(stub, reload_request(model("a", Path("here")))) == (
        "INVALID_ARGUMENT",
        "Expected model a to have an absolute path or URI; got base_path()=here",
    )
    other = reload_request(model(MODEL, base).replace('"tensorflow"', '"caffe"'))
    assert refusal(stub, other) == (
        "INVALID_ARGUMENT",
        (
            f"Illegal to change a model's platform. For model {MODEL} platform was tensorflow and new platform "
            "requested is caffe"
        ),
    )
    assert predict(server, MODEL).status_code == 200
    (tmp_path / "bad" / "4").mkdir(parents=True)
    code, text = refusal(stub, reload_request(model(MODEL, base), model("bad", tmp_path / "bad")))
    assert code == "UNKNOWN"
    assert text.startswith("1 model(s) did not become available: {{{name: bad version: 4} due to error: NOT_FOUND: ")
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "bad"
    (status,) = stub.GetModelStatus(request, timeout=20).model_version_status
    assert (status.version, status.state, status.status.error_code) == (4, 50, 5)
    assert predict(server, MODEL).status_code == 200


def test_new_model_without_versions_is_waited_for(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path, service: Callable[[ServerProcess], Any]
) -> None:
    server = start_server()
    stub = service(server)
    wanted = reload_request(model("late", tmp_path / "late"))
    assert refusal(stub, wanted, timeout_s=0.5)[0] == "DEADLINE_EXCEEDED"
    stub.HandleReloadConfigRequest(reload_request(), timeout=20)
    waiting = stub.HandleReloadConfigRequest.future(wanted, timeout=30)
    time.sleep(0.3)
    assert not waiting.done()
    publish(saved_models / "v1", tmp_path / "late", 1)
    assert waiting.result().status.error_code == 0
    assert states(server, "late") == {1: "AVAILABLE"}


def test_configuration_file_is_read_again_and_wins(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path, service: Callable[[ServerProcess], Any]
) -> None:
    publish(saved_models / "v1", base, 1)
    publish(saved_models / "v2", tmp_path / "other", 1)
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list {{ {model(MODEL, base)} }}")
    server = start_server(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=0.2")
    file.write_text(f"model_config_list {{ {model(MODEL, base)} {model('other', tmp_path / 'other')} }}")
    eventually(lambda: states(server, "other") == {1: "AVAILABLE"})
    file.write_text("no configuration")
    eventually(lambda: "Invalid protobuf file" in server.text())
    assert predict(server, "other").status_code == 200
    file.write_text(f"model_config_list {{ {model(MODEL, base)} }}")
    eventually(lambda: states(server, "other") == {1: "END"})
    service(server).HandleReloadConfigRequest(reload_request(model("other", tmp_path / "other")), timeout=30)
    eventually(lambda: states(server, MODEL) == {1: "AVAILABLE"} and states(server, "other") == {1: "END"})
