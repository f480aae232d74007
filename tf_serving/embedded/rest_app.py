"""The REST face: a raw ASGI application, because the error bodies are part of the protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any
from urllib.parse import unquote

from tf_serving.embedded.json_request import PredictBody
from tf_serving.embedded.json_response import predict_answer
from tf_serving.embedded.metadata import metadata_json
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.predict import ModelManager, Target, predict, unknown_signature_rest
from tf_serving.embedded.status import Code, ServingError, invalid
from tf_serving.embedded.versions import MAX_VERSION

log = logging.getLogger(__name__)

_MODEL = r"/v1/models/(?P<model>[^/:?]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:?]+))?"
_PREDICT = re.compile(_MODEL + ":(?P<method>predict|classify|regress)", re.IGNORECASE)
_STATUS = re.compile(_MODEL + "(?P<metadata>/metadata)?", re.IGNORECASE)

_HTTP_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.CANCELLED: 499,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
_JSON = [(b"content-type", b"application/json")]
_LARGEST_BODY = 2**30

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class RestApp:
    """Answers `/v1/models/...`. Requests are worked on in `executor`, so that a large body blocks nobody else."""

    def __init__(
        self,
        manager: ModelManager,
        executor: Executor,
        *,
        timeout_s: float,
        metrics: Metrics,
        metrics_path: str | None,
    ) -> None:
        self._manager, self._executor, self._timeout_s = manager, executor, timeout_s
        self._metrics, self._metrics_path = metrics, metrics_path

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read_body(receive)
        if body is None:
            return  # the client went away
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        if target == self._metrics_path and scope["method"] == "GET":
            await _answer(send, 200, self._metrics.text().encode(), [(b"content-type", b"text/plain")])
            return
        if not target.lower().startswith("/v1/"):
            await _answer(send, 404, b"<html><body>Not Found</body></html>", [(b"content-type", b"text/html")])
            return
        encoding = dict(scope["headers"]).get(b"content-encoding", b"")
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._executor, self._respond, scope["method"], target, encoding, body)
        try:
            status, answer = await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            status, answer = _error(ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for the model"))
        await _answer(send, status, answer, _JSON)

    def _respond(self, method: str, target: str, encoding: bytes, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, self._route(method, target, encoding, body)
        except ServingError as error:
            return _error(error)
        except Exception:
            # A defect here must become an answer, and a line in the log.
            log.exception("%s %s failed", method, target)
            return _error(ServingError(Code.INTERNAL, "Internal error of the embedded server; its log says more"))

    def _route(self, method: str, target: str, encoding: bytes, body: bytes) -> bytes:
        if method == "POST" and (match := _PREDICT.fullmatch(target)):
            if match["method"].lower() != "predict":
                raise ServingError(Code.UNIMPLEMENTED, f"The embedded server does not do {match['method'].lower()}")
            return self._predict(match, _decompressed(body, encoding))
        if method == "GET" and (match := _STATUS.fullmatch(target)):
            return self._metadata(match) if match["metadata"] else self._status(match)
        if method == "GET" and target.lower().rstrip("/") == "/v1/models":
            raise invalid("Missing model name in request.")
        raise invalid(f"Malformed request: {method} {target}")

    def _predict(self, match: re.Match[str], body: bytes) -> bytes:
        named = _target(match)
        with self._metrics.request(named.model, "REST"):
            request = PredictBody(body)
            prediction = predict(
                self._manager,
                Target(named.model, named.version, named.label, request.signature_name),
                request.inputs,
                timeout_s=self._timeout_s,
                unknown_signature=unknown_signature_rest,
            )
            return predict_answer(prediction.outputs, request.format)

    def _status(self, match: re.Match[str]) -> bytes:
        target = _target(match)
        entries = [
            {
                "version": str(status.version),
                "state": status.state.name,
                "status": {"error_code": status.code.name, "error_message": status.message},
            }
            for status in self._manager.statuses(target.model, target.version)
        ]
        return json.dumps({"model_version_status": entries}, indent=1).encode()

    def _metadata(self, match: re.Match[str]) -> bytes:
        target = _target(match)
        with self._manager.lease(target.model, target.version, target.label) as servable:
            return json.dumps(metadata_json(target.model, servable.version, servable.model), indent=1).encode()


def _target(match: re.Match[str]) -> Target:
    version = None
    if match["version"]:
        version = int(match["version"]) if len(match["version"]) < 40 else MAX_VERSION + 1
        if version > MAX_VERSION:
            raise invalid(f"Failed to convert version: {match['version']} to numeric.")
    return Target(unquote(match["model"]), version, unquote(match["label"]) if match["label"] else None)


def _error(error: ServingError) -> tuple[int, bytes]:
    return _HTTP_STATUS.get(error.code, 500), json.dumps({"error": error.message}, ensure_ascii=False).encode()


def _decompressed(body: bytes, encoding: bytes) -> bytes:
    if encoding.lower() != b"gzip":
        return body
    decoder = zlib.decompressobj(wbits=31)
    try:
        data = decoder.decompress(body, _LARGEST_BODY)
    except zlib.error as error:
        raise invalid(f"Failed to decompress the request body: {error}") from None
    if not decoder.eof:
        raise invalid("Failed to decompress the request body: it is cut short or too large")
    return data


async def _read_body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
