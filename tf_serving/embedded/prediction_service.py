"""The gRPC service that runs models: Predict, Classify, Regress, MultiInference and GetModelMetadata."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.grpc_app import Call
from tf_serving.embedded.inference import Answer, Task, infer, multi_infer
from tf_serving.embedded.metadata import signature_map
from tf_serving.embedded.method_names import CLASSIFY_METHOD, REGRESS_METHOD
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.model_run import Steps
from tf_serving.embedded.predict import Target, check_inputs, predict, unknown_signature_grpc
from tf_serving.embedded.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)
from tf_serving.embedded.signature import Signature
from tf_serving.embedded.status import invalid
from tf_serving.embedded.tensor_proto import fill_proto, to_array

_MANY_ELEMENTS = 2**16


class PredictionService:
    """Messages in, messages out; `as_content`: Predict answers with raw bytes instead of typed values."""

    def __init__(self, manager: ModelManager, metrics: Metrics, *, as_content: bool) -> None:
        self._manager, self._metrics, self._as_content = manager, metrics, as_content

    def predict(self, request: Any, call: Call) -> Steps[Any]:
        target = _target(request)
        with self._metrics.request(target.model, "GRPC") as observe:
            if _is_large(request):
                yield None
            prediction = yield from predict(
                self._manager,
                target,
                partial(_read_inputs, request.inputs),
                output_filter=request.output_filter,
                deadline=call.deadline,
                unknown_signature=unknown_signature_grpc,
                observe=observe,
            )
            response = predict_pb2.PredictResponse()
            _fill_spec(response.model_spec, target.model, prediction.version, prediction.signature_name)
            for alias, array in prediction.outputs.items():
                fill_proto(response.outputs[alias], array, as_content=self._as_content)
            return response

    def classify(self, request: Any, call: Call) -> Steps[Any]:
        return self._infer(request, call, CLASSIFY_METHOD, "Classify", classification_pb2.ClassificationResponse())

    def regress(self, request: Any, call: Call) -> Steps[Any]:
        return self._infer(request, call, REGRESS_METHOD, "Regress", regression_pb2.RegressionResponse())

    def _infer(self, request: Any, call: Call, method_name: str, api: str, response: Any) -> Steps[Any]:
        target = _target(request)
        with self._metrics.request(target.model, "GRPC", api) as observe:
            answer = yield from infer(
                self._manager, target, method_name, request.input, response.result, call.deadline, observe
            )
            response.result.SetInParent()
            _fill_spec(response.model_spec, target.model, answer.version, answer.signature_name)
            return response

    def multi_inference(self, request: Any, call: Call) -> Steps[Any]:
        response = inference_pb2.MultiInferenceResponse()

        def new_result(task: Task, answer: Answer) -> Any:
            result = response.results.add()
            _fill_spec(result.model_spec, task.target.model, answer.version, answer.signature_name)
            return result

        tasks = [Task(_spec_target(task.model_spec), task.method_name) for task in request.tasks]
        model = tasks[0].target.model if tasks else ""
        with self._metrics.request(model, "GRPC", "MultiInference") as observe:
            yield from multi_infer(self._manager, tasks, request.input, new_result, call.deadline, observe)
            return response

    def get_model_metadata(self, request: Any, _: Call) -> Any:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        _check_metadata_fields(request.metadata_field)
        target = _target(request)
        with self._manager.lease(target.model, target.version, target.label) as servable:
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            _fill_spec(response.model_spec, target.model, servable.version, "")
            response.metadata["signature_def"].Pack(signature_map(servable.model))
            return response


def _target(request: Any) -> Target:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    return _spec_target(spec)


def _spec_target(spec: Any) -> Target:
    version = spec.version.value if spec.HasField("version") else None
    return Target(spec.name, version, spec.version_label or None, spec.signature_name)


def _is_large(request: Any) -> bool:
    """Whether an input becomes large, however small the message: one value may stand for all of a tensor."""
    return any(
        math.prod(dim.size for dim in proto.tensor_shape.dim) > _MANY_ELEMENTS for proto in request.inputs.values()
    )


def _read_inputs(protos: Any, signature: Signature) -> dict[str, Array]:
    check_inputs(signature, protos)  # wrong names are told before wrong tensors
    return {alias: to_array(alias, proto) for alias, proto in protos.items()}


def _check_metadata_fields(fields: Any) -> None:
    if not fields:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for name in fields:
        if name != "signature_def":
            raise invalid(f"Metadata field {name} is not supported")


def _fill_spec(spec: Any, name: str, version: int, signature_name: str) -> None:
    spec.name, spec.signature_name = name, signature_name
    spec.version.value = version
