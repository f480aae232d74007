"""Versions come and go, processes die: the embedded server goes on answering."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests
from serving_process import MODEL, ROOT, ServerProcess

from smartgrid.serving import connect
from smartgrid.serving.errors import ModelNotFound, PredictionRejected, ServingError
from smartgrid.serving.model_repository import publish, remove

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]
Expected = dict[str, np.ndarray]


def served(server: ServerProcess, expected: Expected) -> int:
    """The version whose numbers come back."""
    client = connect(rest_url=server.rest_url)
    answer = client.predict(MODEL, expected["features"])
    client.close()
    (version,) = [number for number in (1, 2) if np.array_equal(answer, expected[f"load_kw_{number}"])]
    return version


def test_empty_base_path_waits_then_swaps_then_goes_back(
    start_server: Start, base: Path, saved_models: Path, expected: Expected
) -> None:
    server = start_server()
    answer = requests.post(
        f"{server.rest_url}/v1/models/{MODEL}:predict", data=b'{"instances": [[1,1,1,1,1,1,1]]}', timeout=20
    )
    assert answer.status_code == 404
    assert answer.json() == {"error": f"Servable not found for request: Latest({MODEL})"}
    client = connect(grpc_target=server.grpc_target)
    with pytest.raises(ModelNotFound):
        client.predict(MODEL, expected["features"])

    publish(saved_models / "v1", base, 1)
    client.wait_available(MODEL, 1, timeout_s=30)
    assert served(server, expected) == 1

    publish(saved_models / "v2", base, 2)
    client.wait_available(MODEL, 2, timeout_s=30)
    assert served(server, expected) == 2

    remove(base, 2)
    client.wait_available(MODEL, 1, timeout_s=30)
    assert served(server, expected) == 1
    client.close()
    assert "version 2: available after" in server.text()
    assert "version 2: unloaded" in server.text()


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_no_request_fails_while_versions_are_swapped(
    start_server: Start, base: Path, saved_models: Path, expected: Expected, protocol: str
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server()
    address = {"rest_url": server.rest_url} if protocol == "rest" else {"grpc_target": server.grpc_target}
    stop, failures, seen = threading.Event(), [], set()

    def ask() -> None:
        client = connect(**address)
        while not stop.is_set():
            try:
                answer = client.predict(MODEL, expected["features"])
            except ServingError as error:
                failures.append(error)
                continue
            matching = [number for number in (1, 2) if np.array_equal(answer, expected[f"load_kw_{number}"])]
            seen.update(matching) if matching else failures.append(answer)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    watcher = connect(rest_url=server.rest_url)
    for version in range(2, 6):
        publish(saved_models / ("v2" if version % 2 == 0 else "v1"), base, version)
        watcher.wait_available(MODEL, version, timeout_s=30)
    stop.set()
    for thread in threads:
        thread.join()
    watcher.close()
    assert failures == []
    assert seen == {1, 2}


def test_corrupt_version_is_reported_and_never_served(
    start_server: Start, base: Path, saved_models: Path, expected: Expected, tmp_path: Path
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(
        f"--model_name={MODEL}",
        f"--model_base_path={base}",
        "--max_num_load_retries=1",
        "--load_retry_interval_micros=100000",
    )
    corrupt = tmp_path / "corrupt"
    shutil.copytree(saved_models / "v2", corrupt)
    (corrupt / "variables" / "variables.data-00000-of-00001").write_bytes(b"short")
    garbage = tmp_path / "garbage"
    garbage.mkdir()
    (garbage / "saved_model.pb").write_bytes(b"\xff\x00 no protocol buffer")
    client = connect(rest_url=server.rest_url)
    for version, folder in ((2, corrupt), (3, garbage)):
        publish(folder, base, version)
        with pytest.raises(ServingError, match=f"Version {version} of model {MODEL} could not be loaded"):
            client.wait_available(MODEL, version, timeout_s=30)
        assert served(server, expected) == 1
    client.close()


def test_killed_server_serves_the_newest_version_again(
    start_server: Start, base: Path, saved_models: Path, expected: Expected
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server()
    client = connect(grpc_target=server.grpc_target, timeout_s=20)
    assert np.array_equal(client.predict(MODEL, expected["features"]), expected["load_kw_1"])
    server.kill()
    publish(saved_models / "v2", base, 2)
    server.start()
    assert np.array_equal(client.predict(MODEL, expected["features"]), expected["load_kw_2"])
    assert served(server, expected) == 2
    client.close()


def test_a_rest_timeout_of_0_is_none(
    start_server: Callable[..., ServerProcess], base: Path, saved_models: Path
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", "--rest_api_timeout_in_ms=0")
    body = b'{"instances": [[1,1,1,1,1,1,1]]}'
    assert requests.post(f"{server.rest_url}/v1/models/{MODEL}:predict", data=body, timeout=20).status_code == 200


def test_config_file_with_two_models_and_a_label(
    start_server: Start, base: Path, saved_models: Path, expected: Expected, tmp_path: Path
) -> None:
    for version in (1, 2):
        publish(saved_models / f"v{version}", base, version)
    publish(saved_models / "v2", tmp_path / "second", 7)
    config = tmp_path / "models.config"
    config.write_text(
        f"""
        model_config_list {{
          config {{ name: "{MODEL}" base_path: "{base}" model_platform: "tensorflow"
                    model_version_policy {{ all {{}} }}
                    version_labels {{ key: "stable" value: 1 }} }}
          config {{ name: "second" base_path: "{tmp_path / "second"}" model_platform: "tensorflow" }}
        }}
        """
    )
    server = start_server(f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models")
    features = expected["features"]
    for client in (connect(rest_url=server.rest_url), connect(grpc_target=server.grpc_target)):
        assert np.array_equal(client.predict(MODEL, features), expected["load_kw_2"])
        assert np.array_equal(client.predict(MODEL, features, label="stable"), expected["load_kw_1"])
        assert np.array_equal(client.predict(MODEL, features, version=1), expected["load_kw_1"])
        assert np.array_equal(client.predict("second", features), expected["load_kw_2"])
        assert [status.version for status in client.status("second")] == [7]
        client.close()


def test_metrics_count_what_was_answered(
    start_server: Start, base: Path, saved_models: Path, expected: Expected
) -> None:
    publish(saved_models / "v1", base, 1)
    monitoring = ROOT / "tf_serving" / "monitoring.config"
    server = start_server(
        f"--model_name={MODEL}", f"--model_base_path={base}", f"--monitoring_config_file={monitoring}"
    )
    features = expected["features"]
    for client in (connect(rest_url=server.rest_url), connect(grpc_target=server.grpc_target)):
        client.predict(MODEL, features)
        with pytest.raises(PredictionRejected):
            client.predict(MODEL, features[:, :2])
        with pytest.raises(ModelNotFound):
            client.predict("stranger", features)
        client.close()
    requests.post(f"{server.rest_url}/v1/models/stranger:predict", data=b"no JSON", timeout=20)
    text = requests.get(f"{server.rest_url}/monitoring/prometheus/metrics", timeout=20).text
    count = f':tensorflow:serving:request_count{{model_name="{MODEL}",status='
    assert f'{count}"OK"}} 2' in text
    assert f'{count}"INVALID_ARGUMENT"}} 2' in text
    for api, entrypoint in (("predict", "REST"), ("Predict", "GRPC")):
        labels = f'model_name="{MODEL}",API="{api}",entrypoint="{entrypoint}"'
        assert f":tensorflow:serving:request_latency_count{{{labels}}} 1" in text
        assert f':tensorflow:serving:request_latency_bucket{{{labels},le="+Inf"}} 1' in text
    assert "stranger" not in text


def test_taken_port_and_wrong_flags_end_with_one_line(
    start_server: Start, base: Path, tmp_path: Path, saved_models: Path
) -> None:
    server = start_server()
    second = ServerProcess(tmp_path / "second.log", f"--model_base_path={base}", f"--rest_api_port={server.rest_port}")
    with pytest.raises(AssertionError):
        second.start()
    assert second.stop() == 255
    assert f"cannot serve REST on 127.0.0.1:{server.rest_port}" in second.text()
    assert "Traceback" not in second.text()
