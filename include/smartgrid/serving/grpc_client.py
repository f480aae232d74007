"""The client by gRPC."""

from __future__ import annotations

from collections.abc import Mapping
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
from smartgrid.serving.signatures import SignatureInfo, only_input
from smartgrid.serving.tensors import UnknownType, as_type, fill_tensor, to_array
from smartgrid.serving.version_status import VersionStatus

if TYPE_CHECKING:
    from smartgrid.serving.client import Array

_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_SIGNATURE_DEF = "signature_def"


class GrpcServingClient:
    """Speaks to `target`, for example 127.0.0.1:8500."""

    def __init__(self, target: str, *, timeout_s: float = 30.0, values_per_request: int = VALUES_PER_REQUEST) -> None:
        import grpc

        self.address = target
        self._timeout_s, self._values_per_request = timeout_s, values_per_request
        self._signatures: dict[tuple[str, str], SignatureInfo] = {}
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
        self._metadata = self._method(
            "PredictionService/GetModelMetadata", known.GetModelMetadataRequest, known.GetModelMetadataResponse
        )
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
        import numpy as np

        _check_target(model_name, version, label)
        if len(features) == 0:
            return np.empty(0, dtype=np.float64)
        signature = self._signature(model_name, version, label, signature_name)
        name = only_input(signature, self.address)
        outputs = self.predict_named(
            model_name, {name: features}, version=version, label=label, signature_name=signature_name
        )
        if len(outputs) != 1:
            raise UnexpectedAnswer(self.address, f"outputs {sorted(outputs)}, expected one: use predict_named")
        return next(iter(outputs.values()))

    def predict_named(
        self,
        model_name: str,
        inputs: Mapping[str, Array],
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = DEFAULT_SIGNATURE,
    ) -> dict[str, Array]:
        """See ServingClient.predict_named."""
        _check_target(model_name, version, label)
        types = self._signature(model_name, version, label, signature_name).inputs

        def predict_chunk(chunk: Mapping[str, Array], chunk_version: int | None) -> dict[str, Array]:
            request = messages().PredictRequest()
            _fill_spec(request.model_spec, model_name, version if version is not None else chunk_version, label)
            request.model_spec.signature_name = signature_name
            for name, array in chunk.items():
                try:
                    fill_tensor(request.inputs.add(key=name).value, as_type(array, types.get(name, 0)))
                except UnknownType as error:
                    raise PredictionRejected(model_name, "INVALID_ARGUMENT", f"{error} cannot be sent") from None
            answer = self._call(self._predict, request, model_name)
            try:
                return {output.key: to_array(output.value) for output in answer.outputs}
            except UnknownType as error:
                raise UnexpectedAnswer(self.address, f"an output of {error}") from None

        try:
            return predict_in_chunks(
                inputs,
                predict_chunk,
                lambda: newest_available(self, model_name),
                pinned=version is not None or label is not None,
                values_per_request=self._values_per_request,
            )
        except (PredictionRejected, ModelNotFound):
            # Another version may have another signature: ask again next time.
            self._signatures.pop((model_name, signature_name), None)
            raise

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

    def _signature(self, model_name: str, version: int | None, label: str | None, signature_name: str) -> SignatureInfo:
        """Asked for once; the versions of a model are made for the same requests."""
        found = self._signatures.get((model_name, signature_name))
        if found is not None:
            return found
        request = messages().GetModelMetadataRequest(metadata_field=[_SIGNATURE_DEF])
        _fill_spec(request.model_spec, model_name, version, label)
        answer = self._call(self._metadata, request, model_name)
        packed = next((entry.value.value for entry in answer.metadata if entry.key == _SIGNATURE_DEF), b"")
        for entry in messages().SignatureDefMap.FromString(packed).signature_def:
            if entry.key == signature_name:
                found = SignatureInfo(
                    {one.key: one.value.dtype for one in entry.value.inputs},
                    {one.key: one.value.dtype for one in entry.value.outputs},
                )
                self._signatures[model_name, signature_name] = found
                return found
        text = f'Serving signature key "{signature_name}" not found.'
        raise PredictionRejected(model_name, "FAILED_PRECONDITION", text)

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


def _check_target(model_name: str, version: int | None, label: str | None) -> None:
    if version is not None and label is not None:
        raise PredictionRejected(model_name, "INVALID_ARGUMENT", "give a version or a label, not both")


def _fill_spec(spec: Any, model_name: str, version: int | None, label: str | None) -> None:
    spec.name = model_name
    if label is not None:
        spec.version_label = label
    if version is not None:
        spec.version.value = version


def _code_name(number: int) -> str:
    import grpc

    return next((code.name for code in grpc.StatusCode if code.value[0] == number), str(number))
