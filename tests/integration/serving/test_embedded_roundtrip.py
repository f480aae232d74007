"""Tensors of every type and shape go through gRPC and REST and come back as they were."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from serving_process import ServerProcess
from serving_stubs import prediction_service_pb2_grpc

from tf_serving.embedded import dtypes
from tf_serving.embedded.protos import predict_pb2
from tf_serving.embedded.tensor_proto import fill_proto, to_array

pytestmark = pytest.mark.servers

# TensorFlow's name of the type, as in the signatures' names, and its number.
TYPES = {
    "float32": dtypes.DT_FLOAT,
    "float64": dtypes.DT_DOUBLE,
    "int32": dtypes.DT_INT32,
    "uint8": dtypes.DT_UINT8,
    "int16": dtypes.DT_INT16,
    "int8": dtypes.DT_INT8,
    "string": dtypes.DT_STRING,
    "complex64": dtypes.DT_COMPLEX64,
    "int64": dtypes.DT_INT64,
    "bool": dtypes.DT_BOOL,
    "bfloat16": dtypes.DT_BFLOAT16,
    "uint16": dtypes.DT_UINT16,
    "complex128": dtypes.DT_COMPLEX128,
    "float16": dtypes.DT_HALF,
    "uint32": dtypes.DT_UINT32,
    "uint64": dtypes.DT_UINT64,
}
NOT_IN_JSON = {"complex64", "bfloat16", "uint16", "complex128", "float16"}
SHAPES = npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3)
SOME = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def stub(typed_server: ServerProcess) -> Iterator[Any]:
    with grpc.insecure_channel(typed_server.grpc_target) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def arrays(dtype: str) -> st.SearchStrategy[np.ndarray]:
    """Any values of the type; bfloat16 as its bits, strings as bytes of up to twice the inline size."""
    numpy_type = dtypes.NUMPY_TYPES[TYPES[dtype]]
    if dtype == "string":
        return npst.arrays(object, SHAPES, elements=st.binary(max_size=44), fill=st.nothing())
    if numpy_type.names:
        return npst.arrays(numpy_type[0], SHAPES).map(lambda bits: bits.view(numpy_type))
    return npst.arrays(numpy_type, SHAPES)


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal to the bit."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return left.tolist() == right.tolist() if left.dtype.hasobject else left.tobytes() == right.tobytes()


@pytest.mark.parametrize("as_content", [True, False], ids=["content", "typed"])
@pytest.mark.parametrize("dtype", TYPES)
@SOME
@given(data=st.data())
def test_grpc_gives_back_every_bit(stub: Any, dtype: str, as_content: bool, data: st.DataObject) -> None:
    array = data.draw(arrays(dtype))
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "typed", f"echo_{dtype}"
    fill_proto(request.inputs["x"], array, as_content=as_content)
    output = stub.Predict(request).outputs["y"]
    assert output.dtype == TYPES[dtype]
    assert not output.tensor_content
    assert same(to_array("y", output), array)


@pytest.mark.parametrize("dtype", [dtype for dtype in TYPES if dtype not in NOT_IN_JSON])
@SOME
@given(data=st.data())
def test_rest_gives_back_every_value(
    typed_server: ServerProcess, session: requests.Session, dtype: str, data: st.DataObject
) -> None:
    array = data.draw(arrays(dtype).filter(lambda drawn: 0 not in drawn.shape[:-1]))
    value = json_value(array)
    url = f"{typed_server.rest_url}/v1/models/typed:predict"
    columns = session.post(url, json.dumps({"signature_name": f"echo_{dtype}", "inputs": value}), timeout=20)
    assert columns.status_code == 200, columns.text
    assert same(from_json(columns.content, "outputs", array), canonical(array))
    if array.ndim and len(array):
        rows = session.post(url, json.dumps({"signature_name": f"echo_{dtype}", "instances": value}), timeout=20)
        assert same(from_json(rows.content, "predictions", array), canonical(array))


def json_value(array: np.ndarray) -> Any:
    if array.dtype.hasobject:
        return np.vectorize(lambda text: text.decode("latin-1"), otypes=[object])(array).tolist()
    if array.dtype == np.float32:
        # As many digits as a client with 32-bit numbers would send.
        return np.array([float(str(value)) for value in array.ravel()]).reshape(array.shape).tolist()
    return array.tolist()


def from_json(body: bytes, key: str, array: np.ndarray) -> np.ndarray:
    value = json.loads(body)[key]
    if array.dtype.hasobject:
        texts = np.empty(array.shape, object)
        texts[...] = np.array(value, object).reshape(array.shape)
        return np.vectorize(lambda text: text.encode("latin-1"), otypes=[object])(texts)
    return np.array(value, array.dtype).reshape(array.shape)


def canonical(array: np.ndarray) -> np.ndarray:
    """JSON has one NaN, without sign and payload."""
    if array.dtype.kind == "f":
        return np.where(np.isnan(array), np.array(math.nan, array.dtype), array)
    return array


@pytest.mark.parametrize("dtype", sorted(NOT_IN_JSON))
def test_types_that_json_has_not_are_refused(typed_server: ServerProcess, dtype: str) -> None:
    body = {"signature_name": f"echo_{dtype}", "inputs": [1]}
    answer = requests.post(f"{typed_server.rest_url}/v1/models/typed:predict", json=body, timeout=20)
    assert answer.status_code == 501
    assert answer.json()["error"].startswith("Conversion of JSON Value: 1 to type: ")


def predict_half(stub: Any, signature: str, **inputs: np.ndarray) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "half_plus_two", signature
    for alias, array in inputs.items():
        fill_proto(request.inputs[alias], array.astype(np.float32))
    return stub.Predict(request).outputs["y"].float_val


def test_an_input_with_a_default_may_be_left_out(stub: Any) -> None:
    x, bias = np.array([[2.0]]), np.array([[1.0]])
    assert list(predict_half(stub, "with_bias", x=x)) == [103.0]
    assert list(predict_half(stub, "with_bias", x=x, bias=bias)) == [4.0]
    with pytest.raises(grpc.RpcError) as caught:
        predict_half(stub, "with_bias", bias=bias)
    assert caught.value.details() == (
        "Signature input alias: x(feed name: x:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {bias}, or default input alias set: bias"
    )


def test_an_unknown_input_is_refused_where_another_has_a_default(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        predict_half(stub, "with_bias", x=np.array([[2.0]]), q=np.array([[1.0]]))
    assert (caught.value.code().name, caught.value.details()) == (
        "INVALID_ARGUMENT",
        "Inputs contains invalid name. Used request inputs: x, request input: q,x",
    )


def test_a_message_may_be_larger_than_grpcs_usual_limit(stub: Any, typed_server: ServerProcess) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "typed", "echo_float64"
    array = np.arange(1_500_000, dtype=np.float64)
    fill_proto(request.inputs["x"], array, as_content=True)
    with grpc.insecure_channel(typed_server.grpc_target, [("grpc.max_receive_message_length", -1)]) as channel:
        output = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request).outputs["y"]
    assert same(to_array("y", output), array)


def test_a_deadline_ends_the_run_too(stub: Any, typed_server: ServerProcess) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "typed", "slow"
    fill_proto(request.inputs["steps"], np.array(10**12))
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.details() in ("Deadline Exceeded", "Timed out waiting for notification")


def test_long_error_texts_are_cut(stub: Any) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m" * 3000
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request)
    assert caught.value.details() == ("Servable not found for request: Latest(" + "m" * 3000)[:1024] + "...TRUNCATED"


def test_one_typed_value_fills_a_larger_shape(stub: Any) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "typed"
    request.inputs["x"].dtype = dtypes.DT_FLOAT
    request.inputs["x"].float_val.append(2.5)
    for size in (2, 3):
        request.inputs["x"].tensor_shape.dim.add(size=size)
    output = stub.Predict(request).outputs["y"]
    assert list(output.float_val) == [2.5] * 6
