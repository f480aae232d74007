"""The REST face: what each HTTP request is answered. The error bodies are part of the protocol."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable
from functools import partial
from urllib.parse import unquote

from tf_serving.embedded.dispatcher import Dispatcher
from tf_serving.embedded.http_exchange import Headers, Request, Response
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
from tf_serving.embedded.model_run import Finished, Steps
from tf_serving.embedded.predict import Target, predict, unknown_signature_rest
from tf_serving.embedded.protos import classification_pb2, regression_pb2
from tf_serving.embedded.rest_http import (
    CORS_HEADERS,
    NOT_FOUND,
    compressed,
    decompressed,
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

_DEFECT = ServingError(Code.INTERNAL, "Internal error of the embedded server; its log says more")

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
        timeout_s: float | None,
        metrics: Metrics,
        metrics_path: str | None,
        cors: bool = False,
    ) -> None:
        self._manager, self._dispatcher, self._others, self._timeout_s = manager, dispatcher, others, timeout_s
        self._metrics, self._metrics_path = metrics, metrics_path
        self._known: dict[str, tuple[Target, str]] = {}
        self._cors = CORS_HEADERS if cors else []

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """The answer, at once where the model is small enough to run on the event loop. Never raises."""
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        try:
            begun = self._begin(request, deadline)
        except ServingError as error:
            return self._refusal(error)
        except Exception:
            # A defect here must become an answer, and a line in the log.
            log.exception("%s %s failed", request.method, request.target)
            return self._refusal(_DEFECT)
        if isinstance(begun, Response):
            return begun
        if isinstance(begun, Finished):
            body, headers = begun.result
            return Response(200, body, [*_JSON, *headers, *self._cors])
        return self._later(request, begun)

    def _begin(
        self, request: Request, deadline: float | None
    ) -> Response | Finished[Answer] | Awaitable[Answer | Response]:
        method, target = request.method, request.target
        if method == "POST" and (named := self._named(target)):
            return self._run(*named, request, deadline)
        if target.partition("?")[0] == self._metrics_path:
            return self._show_metrics(target, deadline)
        if target[:4].lower() != "/v1/":
            return Response(404, NOT_FOUND, [(b"content-type", b"text/html")])
        if method == "OPTIONS":
            return Response(preflight_status(request), b"", self._cors)
        if method == "GET" and (match := _STATUS.fullmatch(target)):
            return self._others.in_thread(partial(self._show, match, request.header(b"accept-encoding")), deadline)
        raise invalid(f"Malformed request: {method} {target}")

    async def _later(self, request: Request, begun: Awaitable[Answer | Response]) -> Response:
        try:
            answer = await begun
        except ServingError as error:
            return self._refusal(error)
        except Exception:
            # A defect here must become an answer, and a line in the log.
            log.exception("%s %s failed", request.method, request.target)
            return self._refusal(_DEFECT)
        if isinstance(answer, Response):
            return answer
        body, headers = answer
        return Response(200, body, [*_JSON, *headers, *self._cors])

    def _refusal(self, error: ServingError) -> Response:
        return Response(*_error(error), [*_JSON, *self._cors])

    async def _show_metrics(self, target: str, deadline: float | None) -> Response:
        status, text = 400, f"Unexpected path: {target}. Should be {self._metrics_path}"
        if target == self._metrics_path:
            status, text = 200, await self._others.in_thread(self._metrics.text, deadline)
        return Response(status, text.encode("utf-8", "replace"), [(b"content-type", b"text/plain")])

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

    def _run(
        self, target: Target, method: str, request: Request, deadline: float | None
    ) -> Finished[Answer] | Awaitable[Answer]:
        encoding = accepted = b""
        for name, value in request.headers:
            if name == b"content-encoding":
                encoding = value
            elif name == b"accept-encoding":
                accepted = value
        small = not encoding and sum(map(len, request.body)) <= LARGEST_BODY
        steps = self._steps(target, method, request.body, encoding, accepted, deadline)
        return self._dispatcher.start(steps, deadline, small=small)

    def _steps(
        self, target: Target, method: str, parts: list[bytes], encoding: bytes, accepted: bytes, deadline: float | None
    ) -> Steps[Answer]:
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()  # a large body is not needed twice
        if encoding:
            body = decompressed(body, encoding)
        run = self._predict if method == "predict" else partial(self._infer, method)
        return compressed((yield from run(target, body, deadline)), accepted)

    def _predict(self, named: Target, body: bytes, deadline: float | None) -> Steps[bytes]:
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

    def _infer(self, method: str, named: Target, body: bytes, deadline: float | None) -> Steps[bytes]:
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
