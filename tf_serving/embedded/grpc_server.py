"""The gRPC face: PredictionService, and beside it ModelService and health."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import grpc

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.grpc_settings import GrpcSettings
from tf_serving.embedded.grpc_unreadable import UnreadableMessages
from tf_serving.embedded.health import health_handler
from tf_serving.embedded.inference import CLASSIFY_METHOD, REGRESS_METHOD, Answer, Task, infer, multi_infer
from tf_serving.embedded.metadata import signature_map
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_service import ModelService
from tf_serving.embedded.predict import ModelManager, Target, check_inputs, predict, unknown_signature_grpc
from tf_serving.embedded.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)
from tf_serving.embedded.signature import Signature
from tf_serving.embedded.status import ServingError, invalid
from tf_serving.embedded.tensor_proto import fill_proto, to_array

_LONGEST_MESSAGE = 1024
_LONGEST_DEADLINE_S = 1e9  # a call without a deadline reports more
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc,name-defined]
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    def __init__(self, manager: ModelManager, metrics: Metrics, *, as_content: bool) -> None:
        self._manager, self._metrics, self._as_content = manager, metrics, as_content

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        try:
            target = _target(request)
            with self._metrics.request(target.model, "GRPC"):
                prediction = predict(
                    self._manager,
                    target,
                    partial(_read_inputs, request.inputs),
                    output_filter=request.output_filter,
                    timeout_s=_remaining_s(context),
                    unknown_signature=unknown_signature_grpc,
                )
                response = predict_pb2.PredictResponse()
                _fill_spec(response.model_spec, target.model, prediction.version, prediction.signature_name)
                for alias, array in prediction.outputs.items():
                    fill_proto(response.outputs[alias], array, as_content=self._as_content)
                return response
        except ServingError as error:
            _abort(context, error)

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._infer(request, context, CLASSIFY_METHOD, "Classify", classification_pb2.ClassificationResponse())

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._infer(request, context, REGRESS_METHOD, "Regress", regression_pb2.RegressionResponse())

    def _infer(self, request: Any, context: grpc.ServicerContext, method_name: str, api: str, response: Any) -> Any:
        try:
            target = _target(request)
            with self._metrics.request(target.model, "GRPC", api):
                timeout_s = _remaining_s(context)
                answer = infer(self._manager, target, method_name, request.input, response.result, timeout_s)
                response.result.SetInParent()
                _fill_spec(response.model_spec, target.model, answer.version, answer.signature_name)
                return response
        except ServingError as error:
            _abort(context, error)

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        response = inference_pb2.MultiInferenceResponse()

        def new_result(task: Task, answer: Answer) -> Any:
            result = response.results.add()
            _fill_spec(result.model_spec, task.target.model, answer.version, answer.signature_name)
            return result

        tasks = [Task(_spec_target(task.model_spec), task.method_name) for task in request.tasks]
        try:
            with self._metrics.request(tasks[0].target.model if tasks else "", "GRPC", "MultiInference"):
                multi_infer(self._manager, tasks, request.input, new_result, _remaining_s(context))
                return response
        except ServingError as error:
            _abort(context, error)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            _check_metadata_fields(request.metadata_field)
            target = _target(request)
            with self._manager.lease(target.model, target.version, target.label) as servable:
                response = get_model_metadata_pb2.GetModelMetadataResponse()
                _fill_spec(response.model_spec, target.model, servable.version, "")
                response.metadata["signature_def"].Pack(signature_map(servable.model))
                return response
        except ServingError as error:
            _abort(context, error)


def start_grpc_server(
    manager: ModelManager, metrics: Metrics, settings: GrpcSettings, *, as_content: bool
) -> grpc.Server:
    """Serve on all addresses.

    Raises:
        OSError: one is taken.
    """
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.so_reuseport", 0),  # else a second server would share the port in silence
        *settings.channel_arguments,
    ]
    pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="grpc")
    server = grpc.server(pool, interceptors=(UnreadableMessages(),), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(manager, metrics, as_content=as_content), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(manager, _abort, settings.stopping), server)
    if settings.health:
        server.add_generic_rpc_handlers((health_handler(settings.stopping),))
    for address in settings.addresses:
        try:
            if settings.credentials is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, settings.credentials)
        except RuntimeError as error:
            raise OSError(f"cannot serve gRPC on {address}: {error}") from None
    server.start()
    return server


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


def _read_inputs(protos: Any, signature: Signature) -> dict[str, Array]:
    check_inputs(signature, protos)  # wrong names are told before wrong tensors
    return {alias: to_array(alias, proto) for alias, proto in protos.items()}


def _remaining_s(context: grpc.ServicerContext) -> float | None:
    remaining_s: float | None = context.time_remaining()
    return remaining_s if remaining_s is not None and remaining_s < _LONGEST_DEADLINE_S else None


def _check_metadata_fields(fields: Any) -> None:
    if not fields:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for name in fields:
        if name != "signature_def":
            raise invalid(f"Metadata field {name} is not supported")


def _fill_spec(spec: Any, name: str, version: int, signature_name: str) -> None:
    spec.name, spec.signature_name = name, signature_name
    spec.version.value = version


def _abort(context: grpc.ServicerContext, error: ServingError) -> NoReturn:
    message = error.message
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "...TRUNCATED"
    context.abort(_CODES[int(error.code)], message)
    raise AssertionError("unreachable: abort raises")
