"""The client by REST: JSON over kept-alive connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests

from smartgrid.serving.chunks import VALUES_PER_REQUEST, predict_in_chunks
from smartgrid.serving.client import DEFAULT_SIGNATURE, newest_available, wait_available
from smartgrid.serving.errors import (
    DeadlineExceeded,
    ModelNotFound,
    PredictionRejected,
    ServerUnreachable,
    UnexpectedAnswer,
)
from smartgrid.serving.json_values import from_json, plain
from smartgrid.serving.retry import with_retries
from smartgrid.serving.signatures import SignatureInfo, from_metadata
from smartgrid.serving.version_status import VersionStatus

if TYPE_CHECKING:
    from smartgrid.serving.client import Array

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class RestServingClient:
    """Speaks to `rest_url`, for example http://127.0.0.1:8501."""

    def __init__(self, rest_url: str, *, timeout_s: float = 30.0, values_per_request: int = VALUES_PER_REQUEST) -> None:
        self.address = rest_url.rstrip("/")
        self._timeout_s, self._values_per_request = timeout_s, values_per_request
        self._signatures: dict[tuple[str, str], SignatureInfo] = {}
        self._session = requests.Session()
        # A proxy of the environment is meant for outside addresses.
        self._session.trust_env = urlsplit(self.address).hostname not in _LOOPBACK

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

        def predict_chunk(chunk: Mapping[str, Array], chunk_version: int | None) -> dict[str, Array]:
            array = chunk[""]
            answer = self.predict_json(
                model_name,
                {"signature_name": signature_name, "instances": array.tolist()},
                version=version if version is not None else chunk_version,
                label=label,
            )
            predictions = answer.get("predictions")
            if not isinstance(predictions, list) or len(predictions) != len(array):
                raise UnexpectedAnswer(self.address, f"no list of {len(array)} predictions")
            if isinstance(predictions[0], dict):
                names = sorted(predictions[0])
                raise UnexpectedAnswer(self.address, f"several outputs {names}, expected one: use predict_named")
            return {"": np.asarray(predictions)}

        if len(features) == 0:
            return np.empty(0, dtype=np.float64)
        # A single input needs no name here.
        return self._in_chunks(model_name, {"": features}, predict_chunk, version, label)[""]

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
        types = self._signature(model_name, version, label, signature_name).outputs

        def predict_chunk(chunk: Mapping[str, Array], chunk_version: int | None) -> dict[str, Array]:
            columns = {name: array.tolist() for name, array in chunk.items()}
            answer = self.predict_json(
                model_name,
                {"signature_name": signature_name, "inputs": columns},
                version=version if version is not None else chunk_version,
                label=label,
            )
            outputs = answer.get("outputs")
            if len(types) == 1:
                outputs = {next(iter(types)): outputs}
            if not isinstance(outputs, dict) or outputs.keys() != types.keys():
                raise UnexpectedAnswer(self.address, f"other outputs than {sorted(types)}")
            try:
                return {name: from_json(outputs[name], number) for name, number in types.items()}
            except (TypeError, ValueError) as error:
                raise UnexpectedAnswer(self.address, str(error)) from None

        try:
            return self._in_chunks(model_name, inputs, predict_chunk, version, label)
        except (PredictionRejected, ModelNotFound, UnexpectedAnswer):
            # Another version may have another signature: ask again next time.
            self._signatures.pop((model_name, signature_name), None)
            raise

    def _in_chunks(
        self,
        model_name: str,
        inputs: Mapping[str, Array],
        predict_chunk: Callable[[Mapping[str, Array], int | None], dict[str, Array]],
        version: int | None,
        label: str | None,
    ) -> dict[str, Array]:
        return predict_in_chunks(
            inputs,
            predict_chunk,
            lambda: newest_available(self, model_name),
            pinned=version is not None or label is not None,
            values_per_request=self._values_per_request,
        )

    def _signature(self, model_name: str, version: int | None, label: str | None, signature_name: str) -> SignatureInfo:
        """Asked for once; the versions of a model are made for the same requests."""
        found = self._signatures.get((model_name, signature_name))
        if found is not None:
            return found
        answer = self._call("GET", _path(model_name, version, label) + "/metadata", model_name)
        try:
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            if signature_name not in signatures:
                text = f'Serving signature name: "{signature_name}" not found in signature def'
                raise PredictionRejected(model_name, "HTTP 400", text)
            found = self._signatures[model_name, signature_name] = from_metadata(signatures[signature_name])
        except (KeyError, TypeError) as error:
            raise UnexpectedAnswer(self.address, f"no metadata ({error!r})") from None
        return found

    def predict_json(
        self, model_name: str, request: dict[str, Any], *, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Send a :predict request as it is and return the server's JSON.

        Raises:
            as ServingClient.predict
        """
        path = _path(model_name, version, label)
        # Python writes each float with as many digits as it takes to read back the same bits.
        body = json.dumps(request, default=plain).encode()
        return self._call("POST", path + ":predict", model_name, body)

    def status(self, model_name: str) -> list[VersionStatus]:
        """See ServingClient.status."""
        answer = self._call("GET", f"/v1/models/{quote(model_name, safe='')}", model_name)
        try:
            return [
                VersionStatus(
                    version=int(entry["version"]),
                    state=entry["state"],
                    error_code=entry.get("status", {}).get("error_code", "OK"),
                    error_message=entry.get("status", {}).get("error_message", ""),
                )
                for entry in answer["model_version_status"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedAnswer(self.address, f"no model_version_status ({error!r})") from None

    def wait_available(self, model_name: str, version: int | None, timeout_s: float) -> VersionStatus:
        """See ServingClient.wait_available."""
        return wait_available(self, model_name, version, timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _call(self, method: str, path: str, model_name: str, body: bytes | None = None) -> dict[str, Any]:
        response = with_retries(
            lambda left_s: self._send(method, path, body, left_s), address=self.address, timeout_s=self._timeout_s
        )
        try:
            answer = response.json()
        except requests.exceptions.JSONDecodeError:
            raise UnexpectedAnswer(self.address, f"HTTP {response.status_code} without JSON") from None
        if not isinstance(answer, dict):
            raise UnexpectedAnswer(self.address, f"HTTP {response.status_code} with {type(answer).__name__}")
        if response.ok:
            return answer
        text = str(answer.get("error", answer))
        if response.status_code == 404:
            raise ModelNotFound(model_name, text)
        raise PredictionRejected(model_name, f"HTTP {response.status_code}", text)

    def _send(self, method: str, path: str, body: bytes | None, left_s: float) -> requests.Response:
        try:
            response = self._session.request(
                method,
                self.address + path,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=left_s,
                allow_redirects=False,
            )
        except requests.exceptions.ReadTimeout:
            raise DeadlineExceeded(self.address, self._timeout_s) from None
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise ServerUnreachable(self.address, _reason(error)) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise UnexpectedAnswer(self.address, f"not an address of a REST server: {error}") from None
        if response.status_code == 503:
            raise ServerUnreachable(self.address, "HTTP 503")
        if response.status_code == 504:
            raise DeadlineExceeded(self.address, self._timeout_s)
        return response


def _reason(error: Exception) -> str:
    """The cause without the pool's wrapping, which repeats the address."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return f"{type(cause).__name__}: {cause}"


def _path(model_name: str, version: int | None, label: str | None) -> str:
    """
    Raises:
        PredictionRejected: a version and a label.
    """
    if version is not None and label is not None:
        raise PredictionRejected(model_name, "INVALID_ARGUMENT", "give a version or a label, not both")
    path = f"/v1/models/{quote(model_name, safe='')}"
    if version is not None:
        path += f"/versions/{version}"
    if label is not None:
        path += f"/labels/{quote(label, safe='')}"
    return path
