"""The gRPC face: PredictionService and ModelService."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from tf_serving.embedded.health import health_handler
from tf_serving.embedded.metadata import signature_map
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.predict import ModelManager, Target, predict, unknown_signature_grpc
from tf_serving.embedded.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tf_serving.embedded.status import ServingError, invalid
from tf_serving.embedded.tensor_proto import fill_proto, to_array

_LONGEST_MESSAGE = 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc,name-defined]
    """Predict and GetModelMetadata. Classify, Regress and MultiInference answer UNIMPLEMENTED."""

    def __init__(self, manager: ModelManager, metrics: Metrics, *, as_content: bool) -> None:
        self._manager, self._metrics, self._as_content = manager, metrics, as_content

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        try:
            target = _target(request)
            with self._metrics.request(target.model, "GRPC"):
                prediction = predict(
                    self._manager,
                    target,
                    lambda _: {alias: to_array(alias, proto) for alias, proto in request.inputs.items()},
                    output_filter=request.output_filter,
                    timeout_s=context.time_remaining(),
                    unknown_signature=unknown_signature_grpc,
                )
                response = predict_pb2.PredictResponse()
                _fill_spec(response.model_spec, target.model, prediction.version, prediction.signature_name)
                for alias, array in prediction.outputs.items():
                    fill_proto(response.outputs[alias], array, as_content=self._as_content)
                return response
        except ServingError as error:
            _abort(context, error)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            target = _target(request)
            _check_metadata_fields(request.metadata_field)
            with self._manager.lease(target.model, target.version, target.label) as servable:
                response = get_model_metadata_pb2.GetModelMetadataResponse()
                _fill_spec(response.model_spec, target.model, servable.version, "")
                response.metadata["signature_def"].Pack(signature_map(servable.model))
                return response
        except ServingError as error:
            _abort(context, error)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc,name-defined]
    """GetModelStatus. HandleReloadConfigRequest answers UNIMPLEMENTED."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            target = _target(request)
            statuses = self._manager.statuses(target.model, target.version)
        except ServingError as error:
            _abort(context, error)
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in statuses:
            entry = response.model_version_status.add(version=status.version, state=int(status.state))
            entry.status.error_code, entry.status.error_message = int(status.code), status.message
        return response


def start_grpc_server(
    manager: ModelManager, metrics: Metrics, address: str, *, threads: int, as_content: bool, health: bool
) -> grpc.Server:
    """Serve on `address`.

    Raises:
        OSError: the port is taken.
    """
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.so_reuseport", 0),  # else a second server would share the port in silence
    ]
    server = grpc.server(ThreadPoolExecutor(threads, thread_name_prefix="grpc"), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(manager, metrics, as_content=as_content), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(manager), server)
    if health:
        server.add_generic_rpc_handlers((health_handler(),))
    try:
        server.add_insecure_port(address)
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
    version = spec.version.value if spec.HasField("version") else None
    return Target(spec.name, version, spec.version_label or None, spec.signature_name)


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
