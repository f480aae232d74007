"""The client by gRPC."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from smartgrid.serving.chunks import VALUES_PER_REQUEST, predict_in_chunks
from smartgrid.serving.client import DEFAULT_SIGNATURE, newest_available, wait_available
from smartgrid.serving.errors import (
    DeadlineExceeded,
    ModelNotFound,
    PredictionRejected,
    ServerUnreachable,
    UnexpectedAnswer,
)
from smartgrid.serving.messages import messages
from smartgrid.serving.retry import with_retries
from smartgrid.serving.version_status import VersionStatus

if TYPE_CHECKING:
    from smartgrid.serving.client import Array

_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
# TensorFlow's type number -> NumPy type and the field that carries values where tensor_content does not.
_TYPES = {1: ("float32", "float_val"), 2: ("float64", "double_val"), 3: ("int32", "int_val"), 9: ("int64", "int64_val")}
_NUMBERS = {name: number for number, (name, _) in _TYPES.items()}


class GrpcServingClient:
    """Speaks to `target`, for example 127.0.0.1:8500. `input_name`: the one input of the signature."""

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float = 30.0,
        input_name: str = "features",
        values_per_request: int = VALUES_PER_REQUEST,
    ) -> None:
        import grpc

        self.address = target
        self._timeout_s, self._input_name, self._values_per_request = timeout_s, input_name, values_per_request
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            # A killed server is back in seconds; gRPC's own pauses grow to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1000),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        if target.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]"):
            options.append(("grpc.enable_http_proxy", 0))
        self._channel = grpc.insecure_channel(target, options=options)
        known = messages()
        self._predict = self._method("PredictionService/Predict", known.PredictRequest, known.PredictResponse)
        self._status = self._method(
            "ModelService/GetModelStatus", known.GetModelStatusRequest, known.GetModelStatusResponse
        )

    def _method(self, name: str, request: Any, response: Any) -> Any:
        return self._channel.unary_unary(
            f"/tensorflow.serving.{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

    def predict(
        self,
        model_name: str,
        features: Array,
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = DEFAULT_SIGNATURE,
    ) -> Array:
        """See ServingClient.predict."""
        if version is not None and label is not None:
            raise PredictionRejected(model_name, "INVALID_ARGUMENT", "give a version or a label, not both")

        def predict_chunk(chunk: Array, chunk_version: int | None) -> Array:
            request = messages().PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = model_name, signature_name
            if label is not None:
                request.model_spec.version_label = label
            wanted = version if version is not None else chunk_version
            if wanted is not None:
                request.model_spec.version.value = wanted
            entry = request.inputs.add(key=self._input_name)
            _fill_tensor(entry.value, chunk)
            outputs = self._call(self._predict, request, model_name).outputs
            if len(outputs) != 1:
                names = sorted(output.key for output in outputs)
                raise UnexpectedAnswer(self.address, f"outputs {names}, expected one")
            return self._array(outputs[0].value)

        return predict_in_chunks(
            features,
            predict_chunk,
            lambda: newest_available(self, model_name),
            pinned=version is not None or label is not None,
            values_per_request=self._values_per_request,
        )

    def status(self, model_name: str) -> list[VersionStatus]:
        """See ServingClient.status."""
        request = messages().GetModelStatusRequest()
        request.model_spec.name = model_name
        answer = self._call(self._status, request, model_name)
        return [
            VersionStatus(
                version=entry.version,
                state=_STATES.get(entry.state, "UNKNOWN"),
                error_code=_code_name(entry.status.error_code),
                error_message=entry.status.error_message,
            )
            for entry in answer.model_version_status
        ]

    def wait_available(self, model_name: str, version: int | None, timeout_s: float) -> VersionStatus:
        """See ServingClient.wait_available."""
        return wait_available(self, model_name, version, timeout_s)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _call(self, method: Any, request: Any, model_name: str) -> Any:
        return with_retries(
            lambda left_s: self._send(method, request, model_name, left_s),
            address=self.address,
            timeout_s=self._timeout_s,
        )

    def _send(self, method: Any, request: Any, model_name: str, left_s: float) -> Any:
        import grpc

        try:
            return method(request, timeout=left_s)
        except grpc.RpcError as error:
            code, text = error.code(), error.details() or ""
            if code is grpc.StatusCode.UNAVAILABLE:
                raise ServerUnreachable(self.address, text) from None
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise DeadlineExceeded(self.address, self._timeout_s) from None
            if code is grpc.StatusCode.NOT_FOUND:
                raise ModelNotFound(model_name, text) from None
            raise PredictionRejected(model_name, code.name, text) from None

    def _array(self, tensor: Any) -> Array:
        import numpy as np

        if tensor.dtype not in _TYPES:
            raise UnexpectedAnswer(self.address, f"an output of TensorFlow type {tensor.dtype}")
        dtype, field = _TYPES[tensor.dtype]
        shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
        if tensor.tensor_content:
            return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
        values: Array = np.array(getattr(tensor, field), dtype)
        if len(values) < math.prod(shape) and len(values):
            # TensorFlow leaves out repetitions of the last value.
            values = np.concatenate([values, np.repeat(values[-1:], math.prod(shape) - len(values))])
        return values.reshape(shape)


def _fill_tensor(tensor: Any, array: Array) -> None:
    if array.dtype.name not in _NUMBERS:
        array = array.astype("float64")
    tensor.dtype = _NUMBERS[array.dtype.name]
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = array.tobytes()


def _code_name(number: int) -> str:
    import grpc

    return next((code.name for code in grpc.StatusCode if code.value[0] == number), str(number))
