"""The methods of all gRPC services, as messages in and out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError, EncodeError

from tf_serving.embedded.grpc_app import Answering, Call, Methods, Predicting
from tf_serving.embedded.health import health_methods
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.model_run import Steps
from tf_serving.embedded.model_service import ModelService
from tf_serving.embedded.prediction_service import PredictionService
from tf_serving.embedded.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from tf_serving.embedded.status import Code, ServingError

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"


def grpc_methods(
    manager: ModelManager, metrics: Metrics, stopping: threading.Event, *, as_content: bool, health: bool
) -> Methods:
    """PredictionService, ModelService and, if `health`, grpc.health.v1.Health."""
    prediction = PredictionService(manager, metrics, as_content=as_content)
    model = ModelService(manager, metrics, stopping)
    others = health_methods(stopping) if health else Methods()
    return Methods(
        predicting={
            f"{_PREDICTION}Predict": _predicting(predict_pb2.PredictRequest, prediction.predict),
            f"{_PREDICTION}Classify": _predicting(classification_pb2.ClassificationRequest, prediction.classify),
            f"{_PREDICTION}Regress": _predicting(regression_pb2.RegressionRequest, prediction.regress),
            f"{_PREDICTION}MultiInference": _predicting(
                inference_pb2.MultiInferenceRequest, prediction.multi_inference
            ),
        },
        answering={
            f"{_PREDICTION}GetModelMetadata": _answering(
                get_model_metadata_pb2.GetModelMetadataRequest, prediction.get_model_metadata
            ),
            f"{_MODEL}GetModelStatus": _answering(get_model_status_pb2.GetModelStatusRequest, model.get_model_status),
            f"{_MODEL}HandleReloadConfigRequest": _answering(
                model_management_pb2.ReloadConfigRequest, model.handle_reload_config
            ),
            **others.answering,
        },
        streaming=others.streaming,
    )


def _predicting(request_type: Any, method: Callable[[Any, Call], Steps[Any]]) -> Predicting:
    def steps(content: bytes, call: Call) -> Steps[bytes]:
        return _written((yield from method(_read(request_type, content), call)))

    return steps


def _answering(request_type: Any, method: Callable[[Any, Call], Any]) -> Answering:
    return lambda content, call: _written(method(_read(request_type, content), call))


def _read(request_type: Any, content: bytes) -> Any:
    try:
        return request_type.FromString(content)
    except DecodeError:
        raise ServingError(Code.INTERNAL, "Exception deserializing request!") from None


def _written(response: Any) -> bytes:
    try:
        content: bytes = response.SerializeToString()
    except (EncodeError, ValueError):  # more than 2 GiB
        raise ServingError(Code.INTERNAL, "Failed to serialize response!") from None
    return content
