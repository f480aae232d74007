"""The gRPC service that tells the states of versions and takes new configurations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from tf_serving.embedded.grpc_app import Call
from tf_serving.embedded.metric_increases import counter_values
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_config import model_configs
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.protos import get_model_status_pb2, model_management_pb2
from tf_serving.embedded.status import Code, ServingError, invalid

log = logging.getLogger(__name__)


class ModelService:
    """GetModelStatus and HandleReloadConfigRequest: messages in, messages out."""

    def __init__(self, manager: ModelManager, metrics: Metrics, stopping: threading.Event) -> None:
        self._manager, self._metrics, self._stopping = manager, metrics, stopping

    def get_model_status(self, request: Any, _: Call) -> Any:
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in self._manager.statuses(*_model_version(request)):
            entry = response.model_version_status.add(version=status.version, state=int(status.state))
            entry.status.error_code, entry.status.error_message = int(status.code), status.message
        return response

    def handle_reload_config(self, request: Any, call: Call) -> Any:
        before = self._counted(request)
        try:
            self._reload(request, call.is_active)
        except ServingError as error:
            log.error("ReloadConfig failed: %s", error)
            raise
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = int(Code.OK)
        response.status.SetInParent()
        for name, value in self._counted(request).items():
            response.metric.add(name=name, int64_value_increase=value - before[name])
        return response

    def _counted(self, request: Any) -> dict[str, int]:
        """The counters that the request asks about; it seldom does."""
        return counter_values(self._metrics.text(), request.metric_names) if request.metric_names else {}

    def _reload(self, request: Any, is_active: Callable[[], bool]) -> None:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        configs = model_configs(request.config.model_config_list, self._manager.model_names())
        self._manager.reload(configs, still_wanted=lambda: is_active() and not self._stopping.is_set())
        if self._stopping.is_set():
            raise ServingError(Code.UNAVAILABLE, "The server is stopping")


def _model_version(request: Any) -> tuple[str, int | None]:
    """Labels do not count here: with one, all versions are listed, as TensorFlow Serving does."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    return spec.name, spec.version.value if spec.HasField("version") else None
