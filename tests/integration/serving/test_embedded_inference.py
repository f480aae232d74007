"""Classify, Regress and MultiInference, over gRPC and REST."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import requests
from serving_process import ServerProcess
from serving_stubs import prediction_service_pb2_grpc

from tf_serving.embedded.protos import (
    classification_pb2,
    example_pb2,
    inference_pb2,
    regression_pb2,
)

pytestmark = pytest.mark.servers

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def stub(typed_server: ServerProcess) -> Iterator[Any]:
    with grpc.insecure_channel(typed_server.grpc_target) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def example(**features: float) -> Any:
    message = example_pb2.Example()
    for name, value in features.items():
        message.features.feature[name].float_list.value.append(value)
    return message


def request_for(kind: Callable[[], Any], signature: str, *examples: Any, context: Any = None) -> Any:
    request = kind()
    request.model_spec.name, request.model_spec.signature_name = "typed", signature
    fill_input(request.input, *examples, context=context)
    return request


def fill_input(message: Any, *examples: Any, context: Any = None) -> None:
    if context is None:
        message.example_list.examples.extend(examples)
        return
    message.example_list_with_context.context.CopyFrom(context)
    message.example_list_with_context.examples.extend(examples)


def regression(signature: str, *examples: Any, context: Any = None) -> Any:
    return request_for(regression_pb2.RegressionRequest, signature, *examples, context=context)


def classification(signature: str, *examples: Any, context: Any = None) -> Any:
    return request_for(classification_pb2.ClassificationRequest, signature, *examples, context=context)


def multi_inference(*tasks: tuple[str, str], model: str = "half_plus_two") -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    fill_input(request.input, example(x=2.0), example(x=4.0))
    return request


@pytest.mark.parametrize("signature", ["regress", "regress_column"])
def test_regression_gives_a_value_an_example(stub: Any, signature: str) -> None:
    response = stub.Regress(regression(signature, example(x=2.0), example(x=3.5)))
    expected = [3.0, 3.75] if signature == "regress" else [2.0, 3.5]
    assert [entry.value for entry in response.result.regressions] == expected
    assert (response.model_spec.name, response.model_spec.version.value) == ("typed", 1)
    assert response.model_spec.signature_name == signature


def test_classification_gives_labels_and_scores(stub: Any) -> None:
    response = stub.Classify(classification("classify", example(x=2.0), example(x=0.25)))
    rows = [[(entry.label, entry.score) for entry in row.classes] for row in response.result.classifications]
    long_label = "a label of more than twenty-two bytes"
    assert rows == [[("low", 2.0), (long_label, -1.0)], [("low", 0.25), (long_label, 0.75)]]
    response = stub.Classify(classification("classify_scores", example(x=2.0)))
    assert [(entry.label, entry.score) for entry in response.result.classifications[0].classes] == [("", 2.0)]


def test_a_context_belongs_to_every_example(stub: Any) -> None:
    examples = example(x=2.0), example(x=4.0)
    response = stub.Regress(regression("regress", *examples, context=example(offset=10.0)))
    assert [entry.value for entry in response.result.regressions] == [8.0, 9.0]


@pytest.mark.parametrize(
    ("call", "signature", "text"),
    [
        ("Regress", "nope", "No signature was found with the name: nope"),
        ("Classify", "nope", "No signature was found with the name: nope"),
        ("Regress", "two", "Expected one input Tensor."),
        ("Classify", "two", "Expected one input Tensor."),
        ("Regress", "classify", "Expected one output Tensor."),
        ("Regress", "classify_scores", "No regression outputs found in SignatureDef: "),
        ("Regress", "", "No regression inputs found in SignatureDef: "),
        ("Classify", "", "No classification inputs found in SignatureDef: "),
        (
            "Classify",
            "regress",
            'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was',
        ),
        ("Classify", "classify_flat", "Expected Tensor shape: [batch_size num_classes] but got [1]"),
        (
            "Regress",
            "regress_wide",
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]",
        ),
    ],
)
def test_signatures_of_another_kind_are_refused(stub: Any, call: str, signature: str, text: str) -> None:
    request = (regression if call == "Regress" else classification)(signature, example(x=1.0))
    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, call)(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(text)


def test_a_request_without_examples_is_refused(stub: Any) -> None:
    for request in (regression("regress"), regression("regress", context=example(x=1.0))):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Regress(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "Input is empty."


def test_several_signatures_answer_from_one_run(stub: Any) -> None:
    response = stub.MultiInference(
        multi_inference(("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY), ("regress_x_to_y2", REGRESS))
    )
    first, second, third = response.results
    assert [entry.value for entry in first.regression_result.regressions] == [3.0, 4.0]
    scores = [row.classes[0].score for row in second.classification_result.classifications]
    assert scores == [3.0, 4.0]
    assert [entry.value for entry in third.regression_result.regressions] == [4.0, 5.0]
    assert second.model_spec.signature_name == "classify_x_to_y"
    assert second.model_spec.version.value == 1


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ((), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            (("regress_x_to_y", REGRESS), ("regress_x_to_y", REGRESS)),
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        ((("s", REGRESS),), "INVALID_ARGUMENT", "Requested signature not found in model graph: s"),
        ((("regress_x_to_y", "m"),), "UNIMPLEMENTED", "Unsupported signature method_name: m"),
        (
            (("regress_x_to_y", REGRESS), ("regress_x2_to_y3", REGRESS)),
            "INVALID_ARGUMENT",
            "Input tensor must be the same for all Signatures.",
        ),
    ],
)
def test_tasks_that_do_not_go_together_are_refused(
    stub: Any, tasks: tuple[tuple[str, str], ...], code: str, text: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.MultiInference(multi_inference(*tasks))
    assert (caught.value.code().name, caught.value.details()) == (code, text)


def test_tasks_of_two_models_are_refused(stub: Any) -> None:
    request = multi_inference(("regress_x_to_y", REGRESS), ("regress_x_to_y2", REGRESS))
    request.tasks[1].model_spec.name = "typed"
    with pytest.raises(grpc.RpcError) as caught:
        stub.MultiInference(request)
    assert caught.value.details() == "All ModelSpecs in a MultiInferenceRequest must access the same model name."


def post(server: ServerProcess, method: str, body: object, path: str = "/v1/models/typed") -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{server.rest_url}{path}:{method}", data=data, timeout=20)


def test_rest_classification_and_regression(typed_server: ServerProcess) -> None:
    examples = [{"x": 2.0}, {"x": [4.0]}]
    answer = post(typed_server, "regress", {"signature_name": "regress", "examples": examples})
    assert answer.json() == {"results": [3.0, 4.0]}
    body = {"signature_name": "regress", "context": {"offset": 10.0}, "examples": examples}
    assert post(typed_server, "regress", body, "/v1/models/typed/versions/1").json() == {"results": [8.0, 9.0]}
    answer = post(typed_server, "classify", {"signature_name": "classify_scores", "examples": [{"x": 2.0}]})
    assert answer.json() == {"results": [[["", 2.0]]]}
    answer = post(typed_server, "classify", {"signature_name": "classify", "examples": [{"x": 0.1}]})
    assert answer.json() == {"results": [[["low", 0.1], ["a label of more than twenty-two bytes", 0.9]]]}
    half = {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}
    assert post(typed_server, "regress", half, "/v1/models/half_plus_two").json() == {"results": [42.0]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        ({"examples": 1}, "JSON Value: {\"examples\": 1} Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "JSON Value: {\"examples\": []} 'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1.0]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        ({"examples": [{"x": {"a": 1}}]}, "Feature: x has element with unexpected JSON type: Object"),
        ({"examples": [{"x": [1.0, 2]}]}, "Unexpected element type in feature: x expecting type: float"),
        ({"examples": [{"x": ["a", 2]}]}, "Unexpected element type in feature: x expecting type: bytes"),
        ({"examples": [{"x": [True, 2.5]}]}, "Unexpected element type in feature: x expecting type: int64"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64 is supported."),
        ({"examples": [{"x": 1e39}]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"examples": [{"x": {"b64": "a"}}]}, "Unable to base64 decode"),
        ({"context": [], "examples": [{}]}, "Example must be JSON object but got JSON Array"),
        ({"signature_name": "s", "examples": [{"x": 1.0}]}, "No signature was found with the name: s"),
        ({"signature_name": 5, "examples": []}, "'signature_name' key must be a string value."),
        ({"signature_name": "regress", "examples": [{"x": 1}]}, "Data type: int64 but expected type: float"),
    ],
)
def test_rest_examples_that_are_none_are_refused(typed_server: ServerProcess, body: object, text: str) -> None:
    answer = post(typed_server, "regress", body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
