"""The embedded server speaks TensorFlow Serving's protocol."""

from __future__ import annotations

import gzip
import json

import grpc
import numpy as np
import pytest
import requests
from serving_process import MODEL, ServerProcess
from serving_stubs import model_service_pb2_grpc, prediction_service_pb2_grpc

from tf_serving.embedded.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    tensor_pb2,
)
from tf_serving.embedded.tensor_proto import fill_proto, to_array

pytestmark = pytest.mark.servers

Expected = dict[str, np.ndarray]


def post(server: ServerProcess, body: object, path: str = "") -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{server.rest_url}/v1/models/{MODEL}{path}:predict", data=data, timeout=20)


@pytest.fixture
def channel(shared_server: ServerProcess):
    with grpc.insecure_channel(shared_server.grpc_target) as opened:
        yield opened


def predict_request(features: np.ndarray) -> object:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    fill_proto(request.inputs["features"], features)
    return request


def float32_tensor() -> object:
    proto = tensor_pb2.TensorProto()
    fill_proto(proto, np.zeros((1, 7), np.float32))
    return proto


def test_rest_rows_and_columns_are_the_models_own_numbers(shared_server: ServerProcess, expected: Expected) -> None:
    rows = expected["features"].tolist()
    by_row = post(shared_server, {"instances": rows}).json()
    by_column = post(shared_server, {"signature_name": "serving_default", "inputs": rows}, "/versions/1").json()
    assert by_row == {"predictions": expected["load_kw_1"].tolist()}
    assert by_column == {"outputs": expected["load_kw_1"].tolist()}


def test_grpc_is_the_models_own_numbers(channel: grpc.Channel, expected: Expected) -> None:
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(predict_request(expected["features"]))
    assert to_array("load_kw", response.outputs["load_kw"]).tobytes() == expected["load_kw_1"].tobytes()
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"


def test_signature_with_named_inputs_and_several_outputs(shared_server: ServerProcess) -> None:
    instances = [{"level_kw": 2.5, "slot": 2}, {"level_kw": 10.0, "slot": 3}]
    answer = post(shared_server, {"signature_name": "two", "instances": instances})
    assert answer.json() == {
        "predictions": [{"load_kw": 5.0, "next_slot": 3}, {"load_kw": 30.0, "next_slot": 4}],
    }
    columns = {"level_kw": [2.5], "slot": [2]}
    answer = post(shared_server, {"signature_name": "two", "inputs": columns})
    assert answer.json() == {"outputs": {"load_kw": [5.0], "next_slot": [3]}}


def test_output_filter_selects_outputs(channel: grpc.Channel) -> None:
    request = predict_pb2.PredictRequest(output_filter=["next_slot"])
    request.model_spec.name, request.model_spec.signature_name = MODEL, "two"
    fill_proto(request.inputs["level_kw"], np.array([1.0]))
    fill_proto(request.inputs["slot"], np.array([4]))
    outputs = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request).outputs
    assert list(outputs) == ["next_slot"]
    assert outputs["next_slot"].int64_val == [5]


def test_missing_and_infinite_features_pass_through(shared_server: ServerProcess) -> None:
    answer = post(shared_server, b'{"instances": [[NaN,1,1,1,1,1,1], [Infinity,1,1,1,1,1,1]]}')
    assert answer.status_code == 200
    first, second = json.loads(answer.text)["predictions"]
    assert np.isnan(first)
    assert np.isinf(second)


def test_compressed_request_body_is_understood(shared_server: ServerProcess) -> None:
    body = gzip.compress(json.dumps({"instances": [[0.0] * 7]}).encode())
    answer = requests.post(
        f"{shared_server.rest_url}/v1/models/{MODEL}:predict",
        data=body,
        headers={"Content-Encoding": "gzip"},
        timeout=20,
    )
    assert answer.json() == {"predictions": [0.0]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/v1/models/other", None, 404, "Could not find any versions of model other"),
        ("GET", f"/v1/models/{MODEL}/versions/9", None, 404, f"Could not find version 9 of model {MODEL}"),
        ("GET", "/v1/models/other/metadata", None, 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/nothing", None, 400, "Malformed request: GET /v1/nothing"),
        ("GET", f"/v1/models/{MODEL}?x=1", None, 404, f"Could not find any versions of model {MODEL}?x=1"),
        ("DELETE", f"/v1/models/{MODEL}", None, 400, f"Malformed request: DELETE /v1/models/{MODEL}"),
        (
            "POST",
            "/v1/models/other:predict",
            b'{"instances": [1]}',
            404,
            "Servable not found for request: Latest(other)",
        ),
        (
            "POST",
            f"/v1/models/{MODEL}/versions/9:predict",
            b'{"instances": [1]}',
            404,
            f"Servable not found for request: Specific({MODEL}, 9)",
        ),
        (
            "POST",
            f"/v1/models/{MODEL}/versions/9223372036854775808:predict",
            b"{}",
            400,
            "Failed to convert version: 9223372036854775808 to numeric.",
        ),
        (
            "POST",
            f"/v1/models/{MODEL}/labels/canary:predict",
            b'{"instances": [1]}',
            400,
            "Unrecognized servable version label: canary",
        ),
        ("POST", f"/v1/models/{MODEL}:predict", b"", 400, "JSON Parse error: The document is empty"),
        ("POST", f"/v1/models/{MODEL}:predict", b"{oops", 400, "Missing a name for object member. at offset: 1"),
        (
            "POST",
            f"/v1/models/{MODEL}:predict",
            b'{"signature_name": "s", "instances": [1]}',
            400,
            'Serving signature name: "s" not found in signature def',
        ),
        ("POST", f"/v1/models/{MODEL}:predict", b'{"instances": [[1, 2]]}', 400, "Matrix size-incompatible"),
        (
            "POST",
            f"/v1/models/{MODEL}:classify",
            b'{"examples": [{}]}',
            400,
            "No classification inputs found in Signat",
        ),
    ],
)
def test_rest_refusals(
    shared_server: ServerProcess, method: str, path: str, body: bytes | None, status: int, text: str
) -> None:
    answer = requests.request(method, shared_server.rest_url + path, data=body, timeout=20)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert text in answer.json()["error"]


def test_other_paths_are_not_found(shared_server: ServerProcess) -> None:
    assert requests.get(shared_server.rest_url + "/", timeout=20).status_code == 404


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (lambda r: r.ClearField("model_spec"), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (lambda r: r.model_spec.ClearField("name"), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (lambda r: setattr(r.model_spec, "name", "o"), "NOT_FOUND", "Servable not found for request: Latest(o)"),
        (
            lambda r: setattr(r.model_spec.version, "value", 9),
            "NOT_FOUND",
            f"Servable not found for request: Specific({MODEL}, 9)",
        ),
        (
            lambda r: setattr(r.model_spec, "signature_name", "s"),
            "FAILED_PRECONDITION",
            'Serving signature key "s" not found.',
        ),
        (
            lambda r: r.inputs.clear(),
            "INVALID_ARGUMENT",
            (
                "input size does not match signature: 0!=1 len({}) != len({features}). Sent extra: {}. "
                "Missing but required: {features}."
            ),
        ),
        (
            lambda r: (r.inputs["q"].CopyFrom(r.inputs["features"]), r.inputs.pop("features")),
            "INVALID_ARGUMENT",
            "Signature input alias: features(feed name: serving_default_features:0) not found in request",
        ),
        (
            lambda r: r.output_filter.append("z"),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: z Outputs expected to be in the set {load_kw}.",
        ),
        (
            lambda r: r.output_filter.extend(["load_kw", "load_kw"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: load_kw",
        ),
        (
            lambda r: setattr(r.inputs["features"], "tensor_content", b"123"),
            "INVALID_ARGUMENT",
            "tensor parsing error: features",
        ),
        (
            lambda r: r.inputs["features"].CopyFrom(float32_tensor()),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be double but float is provided",
        ),
    ],
)
def test_grpc_refusals(channel: grpc.Channel, expected: Expected, change: object, code: str, text: str) -> None:
    request = predict_request(expected["features"][:1])
    change(request)
    with pytest.raises(grpc.RpcError) as caught:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
    assert caught.value.code().name == code
    assert text in caught.value.details()


def test_status_by_rest_and_grpc(shared_server: ServerProcess, channel: grpc.Channel) -> None:
    answer = requests.get(f"{shared_server.rest_url}/v1/models/{MODEL}", timeout=20)
    ok = {"error_code": "OK", "error_message": ""}
    assert answer.json() == {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": ok}]}
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL
    (status,) = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request).model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, 30, 0)


def test_metadata_by_rest_and_grpc(shared_server: ServerProcess, channel: grpc.Channel) -> None:
    answer = requests.get(f"{shared_server.rest_url}/v1/models/{MODEL}/metadata", timeout=20).json()
    assert answer["model_spec"] == {"name": MODEL, "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["features"]["dtype"] == "DT_DOUBLE"
    assert [dim["size"] for dim in signature["inputs"]["features"]["tensor_shape"]["dim"]] == ["-1", "7"]
    assert signature["method_name"] == "tensorflow/serving/predict"

    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = MODEL
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "two"} <= set(signatures.signature_def)
    request.metadata_field[:] = ["other"]
    with pytest.raises(grpc.RpcError, match="Metadata field other is not supported"):
        stub.GetModelMetadata(request)


def test_health_check_says_serving(channel: grpc.Channel) -> None:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"


def test_methods_that_are_none_are_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/tensorflow.serving.PredictionService/Guess")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_unknown_flag_is_printed_and_not_fatal(shared_server: ServerProcess) -> None:
    assert "unknown argument: --no_such_flag=7" in shared_server.text()
