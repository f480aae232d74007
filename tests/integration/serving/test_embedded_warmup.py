"""Recorded requests are replayed before a version serves."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from serving_process import MODEL, ROOT, ServerProcess

from smartgrid.serving import connect
from smartgrid.serving.errors import ServingError
from smartgrid.serving.model_repository import publish
from tf_serving.embedded.protos import prediction_log_pb2
from tf_serving.embedded.tensor_proto import fill_proto
from tf_serving.embedded.tfrecord import masked_crc32c

pytestmark = pytest.mark.servers

Start = Callable[..., ServerProcess]


def predict_log(alias: str = "features", signature: str = "") -> Any:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.name = "recorded elsewhere"
    log.predict_log.request.model_spec.signature_name = signature
    fill_proto(log.predict_log.request.inputs[alias], np.ones((3, 7)))
    return log


def with_warmup(source: Path, target: Path, content: bytes | Sequence[Any]) -> Path:
    shutil.copytree(source, target)
    if not isinstance(content, bytes):
        framed = b""
        for log in content:
            record = log.SerializeToString()
            header = struct.pack("<Q", len(record))
            framed += header + struct.pack("<I", masked_crc32c(header))
            framed += record + struct.pack("<I", masked_crc32c(record))
        content = framed
    (target / "assets.extra").mkdir(exist_ok=True)
    (target / "assets.extra" / "tf_serving_warmup_requests").write_bytes(content)
    return target


def metric(server: ServerProcess, start: str) -> dict[str, float]:
    text = requests.get(f"{server.rest_url}/monitoring/prometheus/metrics", timeout=20).text
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.split("\n") if line.startswith(start)
    }


def test_requests_are_replayed_and_counted_apart(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path
) -> None:
    publish(with_warmup(saved_models / "v1", tmp_path / "warm", [predict_log(), predict_log()]), base, 1)
    server = start_server(
        f"--model_name={MODEL}", f"--model_base_path={base}", "--num_request_iterations_for_warmup=3",
        f"--monitoring_config_file={ROOT / 'tf_serving' / 'monitoring.config'}",
    )  # fmt: skip
    (found,) = metric(server, ":tensorflow:serving:model_warmup_latency_count").items()
    assert found == (f':tensorflow:serving:model_warmup_latency_count{{model_path="{base / "1"}",status="OK"}}', 1)
    assert metric(server, ":tensorflow:serving:request_count{") == {}
    client = connect(rest_url=server.rest_url)
    client.predict(MODEL, np.ones((2, 7)))
    client.close()
    labels = f'{{model_name="{MODEL}",API="Predict",runtime="TF1"}}'
    assert metric(server, ":tensorflow:serving:runtime_latency_count") == {
        f":tensorflow:serving:runtime_latency_count{labels}": 1
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([predict_log(alias="wrong")], "features"),
        ([predict_log(signature="none")], 'Serving signature key "none" not found.'),
        (b"no records at all, not even one", "verify your warmup data is in TFRecord format"),
        ([prediction_log_pb2.PredictionLog()], "Unsupported log_type for warmup"),
        ([predict_log()] * 1001, r"Number of warmup records exceeds the maximum \(1000\)"),
    ],
)
def test_failing_warmup_fails_the_load(
    start_server: Start, base: Path, saved_models: Path, tmp_path: Path, content: Any, problem: str
) -> None:
    publish(saved_models / "v1", base, 1)
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", "--max_num_load_retries=0")
    publish(with_warmup(saved_models / "v2", tmp_path / "cold", content), base, 2)
    client = connect(rest_url=server.rest_url)
    with pytest.raises(ServingError, match=problem):
        client.wait_available(MODEL, 2, timeout_s=30)
    assert [status.state for status in client.status(MODEL)] == ["END", "AVAILABLE"]
    client.close()


def test_warmup_can_be_switched_off(start_server: Start, base: Path, saved_models: Path, tmp_path: Path) -> None:
    publish(with_warmup(saved_models / "v1", tmp_path / "cold", b"no records"), base, 1)
    server = start_server(f"--model_name={MODEL}", f"--model_base_path={base}", "--enable_model_warmup=false")
    client = connect(rest_url=server.rest_url)
    client.wait_available(MODEL, 1, timeout_s=10)
    client.close()
