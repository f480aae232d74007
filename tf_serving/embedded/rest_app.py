"""The REST face: a raw ASGI application, because the error bodies are part of the protocol."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from typing import Any
from urllib.parse import unquote

from tf_serving.embedded.asgi_server import Receive, Scope, Send
from tf_serving.embedded.dispatcher import Dispatcher
from tf_serving.embedded.inference import infer
from tf_serving.embedded.inline_rule import LARGEST_BODY
from tf_serving.embedded.json_examples import ExamplesBody, classify_answer, regress_answer
from tf_serving.embedded.json_request import PredictBody
from tf_serving.embedded.json_response import predict_answer
from tf_serving.embedded.json_writer import quoted
from tf_serving.embedded.metadata import metadata_json, shown_as_json
from tf_serving.embedded.method_names import CLASSIFY_METHOD, REGRESS_METHOD
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.model_run import Steps
from tf_serving.embedded.predict import Target, predict, unknown_signature_rest
from tf_serving.embedded.protos import classification_pb2, regression_pb2
from tf_serving.embedded.rest_http import (
    CORS_HEADERS,
    NOT_FOUND,
    Headers,
    compressed,
    decompressed,
    header,
    preflight_status,
)
from tf_serving.embedded.status import Code, ServingError, invalid
from tf_serving.embedded.versions import MAX_VERSION

log = logging.getLogger(__name__)

# Matched against the whole target, query string and all, as TensorFlow Serving does; so are capitals: they do not
# matter but in the method's name, and in "metadata", without which the path is that of the status.
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(
    "/v1/models/(?P<model>[^/:]+)" + _VERSION + ":(?P<method>(?-i:predict|classify|regress))", re.IGNORECASE
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

# Of the server under it (h2corn.Config). Idle times are longer than a client's pause between forecasts: reconnecting
# costs more than a connection that is kept.
HTTP_OPTIONS: dict[str, Any] = {
    "max_request_body_size": 0,
    "limit_request_line": 64 * 1024,
    "limit_request_fields": 0,
    "timeout_handshake": 75.0,
    "timeout_keep_alive": 75.0,
    "timeout_request_header": 60.0,
}

_MOST_PATHS = 1024

Answer = tuple[bytes, Headers]


class RestApp:
    """Answers `/v1/models/...`. Model runs go to `dispatcher`; what may wait for something else goes to `others`."""

    def __init__(
        self,
        manager: ModelManager,
        dispatcher: Dispatcher,
        others: Dispatcher,
        *,
        timeout_s: float,
        metrics: Metrics,
        metrics_path: str | None,
        cors: bool = False,
    ) -> None:
        self._manager, self._dispatcher, self._others, self._timeout_s = manager, dispatcher, others, timeout_s
        self._metrics, self._metrics_path = metrics, metrics_path
        self._known: dict[str, tuple[Target, str]] = {}
        self._cors = CORS_HEADERS if cors else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        parts = await _read_body(receive)
        if parts is None:
            return  # the client went away
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        method: str = scope["method"]
        deadline = time.monotonic() + self._timeout_s
        status = 200
        try:
            if method == "POST" and (named := self._named(target)):
                body, headers = await self._run(*named, parts, scope, deadline)
            elif target.partition("?")[0] == self._metrics_path:
                await self._show_metrics(target, send, deadline)
                return
            elif target[:4].lower() != "/v1/":
                await _answer(send, 404, NOT_FOUND, [(b"content-type", b"text/html")])
                return
            elif method == "OPTIONS":
                await _answer(send, preflight_status(scope), b"", self._cors)
                return
            elif method == "GET" and (match := _STATUS.fullmatch(target)):
                work = partial(self._show, match, header(scope, b"accept-encoding"))
                body, headers = await self._others.in_thread(work, deadline)
            else:
                raise invalid(f"Malformed request: {method} {target}")
        except ServingError as error:
            status, body, headers = *_error(error), []
        except Exception:
            # A defect here must become an answer, and a line in the log.
            log.exception("%s %s failed", method, target)
            defect = ServingError(Code.INTERNAL, "Internal error of the embedded server; its log says more")
            status, body, headers = *_error(defect), []
        await _answer(send, status, body, [*_JSON, *headers, *self._cors])

    async def _show_metrics(self, target: str, send: Send, deadline: float) -> None:
        status, text = 400, f"Unexpected path: {target}. Should be {self._metrics_path}"
        if target == self._metrics_path:
            status, text = 200, await self._others.in_thread(self._metrics.text, deadline)
        await _answer(send, status, text.encode("utf-8", "replace"), [(b"content-type", b"text/plain")])

    def _named(self, target: str) -> tuple[Target, str] | None:
        """The model and the method that a path names, if it is one of those that run models."""
        known = self._known.get(target)
        if known is None:
            match = _PREDICT.fullmatch(target)
            if match is None:
                return None
            known = _target(match), match["method"]
            if len(self._known) >= _MOST_PATHS:
                self._known.clear()  # paths that strangers make up must not fill the memory
            self._known[target] = known
        return known

    async def _run(self, target: Target, method: str, parts: list[bytes], scope: Scope, deadline: float) -> Answer:
        encoding = accepted = b""
        for name, value in scope["headers"]:
            if name == b"content-encoding":
                encoding = value
            elif name == b"accept-encoding":
                accepted = value
        small = not encoding and sum(map(len, parts)) <= LARGEST_BODY
        steps = self._steps(target, method, parts, encoding, accepted, deadline)
        return await self._dispatcher.run(steps, deadline, small=small)

    def _steps(
        self, target: Target, method: str, parts: list[bytes], encoding: bytes, accepted: bytes, deadline: float
    ) -> Steps[Answer]:
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()  # a large body is not needed twice
        if encoding:
            body = decompressed(body, encoding)
        run = self._predict if method == "predict" else partial(self._infer, method)
        return compressed((yield from run(target, body, deadline)), accepted)

    def _predict(self, named: Target, body: bytes, deadline: float) -> Steps[bytes]:
        with self._metrics.request(named.model, "REST") as observe:
            request = PredictBody(body)
            prediction = yield from predict(
                self._manager,
                Target(named.model, named.version, named.label, request.signature_name),
                request.inputs,
                deadline=deadline,
                unknown_signature=unknown_signature_rest,
                observe=observe,
            )
            return predict_answer(prediction.outputs, request.format)

    def _infer(self, method: str, named: Target, body: bytes, deadline: float) -> Steps[bytes]:
        with self._metrics.request(named.model, "REST", method.capitalize()) as observe:
            request = ExamplesBody(body)
            target = Target(named.model, named.version, named.label, request.signature_name)
            if method == "classify":
                classifications = classification_pb2.ClassificationResult()
                yield from infer(
                    self._manager, target, CLASSIFY_METHOD, request.input, classifications, deadline, observe
                )
                return classify_answer(classifications)
            regressions = regression_pb2.RegressionResult()
            yield from infer(self._manager, target, REGRESS_METHOD, request.input, regressions, deadline, observe)
            return regress_answer(regressions)

    def _show(self, match: re.Match[str], accepted: bytes) -> Answer:
        if not match["model"]:
            raise invalid("Missing model name in request.")
        return compressed(self._metadata(match) if match["metadata"] == "/metadata" else self._status(match), accepted)

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
        return shown_as_json({"model_version_status": entries}).encode()

    def _metadata(self, match: re.Match[str]) -> bytes:
        target = _target(match)
        with self._manager.lease(target.model, target.version, target.label) as servable:
            return metadata_json(target.model, servable.version, servable.model).encode()


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


async def _read_body(receive: Receive) -> list[bytes] | None:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
