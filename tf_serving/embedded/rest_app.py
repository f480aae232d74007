"""The REST face: a raw ASGI application, because the error bodies are part of the protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any
from urllib.parse import unquote

from tf_serving.embedded.inference import CLASSIFY_METHOD, REGRESS_METHOD, infer
from tf_serving.embedded.json_examples import ExamplesBody, classify_answer, regress_answer
from tf_serving.embedded.json_request import PredictBody
from tf_serving.embedded.json_response import predict_answer
from tf_serving.embedded.json_writer import quoted
from tf_serving.embedded.metadata import metadata_json
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.predict import ModelManager, Target, predict, unknown_signature_rest
from tf_serving.embedded.protos import classification_pb2, regression_pb2
from tf_serving.embedded.rest_http import CORS_HEADERS, NOT_FOUND, compressed, decompressed, header, preflight_status
from tf_serving.embedded.rest_inline import InlineRule
from tf_serving.embedded.status import Code, ServingError, invalid
from tf_serving.embedded.versions import MAX_VERSION

log = logging.getLogger(__name__)

# Matched against the whole target, query string and all, as TensorFlow Serving does.
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(
    "/v1/models/(?P<model>[^/:]+)" + _VERSION + ":(?P<method>predict|classify|regress)", re.IGNORECASE
)
_STATUS = re.compile("/v1/models(?:/(?P<model>[^/:]+))?" + _VERSION + "(?P<metadata>/metadata)?", re.IGNORECASE)

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
        cors: bool = False,
    ) -> None:
        self._manager, self._executor, self._timeout_s = manager, executor, timeout_s
        self._metrics, self._metrics_path = metrics, metrics_path
        self._inline = InlineRule(manager)
        self._cors = CORS_HEADERS if cors else []

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
            await _answer(send, 404, NOT_FOUND, [(b"content-type", b"text/html")])
            return
        if scope["method"] == "OPTIONS":
            await _answer(send, preflight_status(scope), b"", self._cors)
            return
        encoding = header(scope, b"content-encoding")
        if not encoding and self._inline.applies(scope["method"], target, len(body)):
            began = time.perf_counter()
            status, answer = self._respond(scope["method"], target, encoding, body)
            self._inline.took(target, time.perf_counter() - began)
            await self._answer_json(scope, send, status, answer)
            return
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._executor, self._respond, scope["method"], target, encoding, body)
        try:
            status, answer = await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            status, answer = _error(ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification"))
        await self._answer_json(scope, send, status, answer)

    async def _answer_json(self, scope: dict[str, Any], send: Send, status: int, answer: bytes) -> None:
        body, encoding_headers = compressed(answer, header(scope, b"accept-encoding"))
        await _answer(send, status, body, [*_JSON, *encoding_headers, *self._cors])

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
            method_name = match["method"].lower()
            if method_name == "predict":
                return self._predict(match, decompressed(body, encoding))
            return self._infer(match, decompressed(body, encoding), method_name)
        if method == "GET" and (match := _STATUS.fullmatch(target)):
            if not match["model"]:
                raise invalid("Missing model name in request.")
            return self._metadata(match) if match["metadata"] else self._status(match)
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

    def _infer(self, match: re.Match[str], body: bytes, method: str) -> bytes:
        named = _target(match)
        with self._metrics.request(named.model, "REST", method.capitalize()):
            request = ExamplesBody(body)
            target = Target(named.model, named.version, named.label, request.signature_name)
            if method == "classify":
                classifications = classification_pb2.ClassificationResult()
                infer(self._manager, target, CLASSIFY_METHOD, request.input, classifications, self._timeout_s)
                return classify_answer(classifications)
            regressions = regression_pb2.RegressionResult()
            infer(self._manager, target, REGRESS_METHOD, request.input, regressions, self._timeout_s)
            return regress_answer(regressions)

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
    answer = f'{{\n    "error": {quoted(error.message)}\n}}'
    return _HTTP_STATUS.get(error.code, 500), answer.encode("utf-8", "surrogateescape")


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
