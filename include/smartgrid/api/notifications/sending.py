"""Routes that accept messages.

These two are called a thousand times a second: the body is parsed once, from its bytes, and the answer is written
without a model of it.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ValidationError

from smartgrid.api.callers import Caller, Require
from smartgrid.api.notifications import answers, failures
from smartgrid.api.notifications.requests import IDEMPOTENCY_KEY, BatchRequest, SendRequest
from smartgrid.notifications.acceptance import Acceptance
from smartgrid.notifications.idempotency import Keyed
from smartgrid.notifications.model import NewNotification

Body = TypeVar("Body", bound=BaseModel)

KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key with the same body gets the same answer and sends nothing again",
    "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": IDEMPOTENCY_KEY.pattern},
}


def sending_routes(require: Require, acceptance: Acceptance) -> APIRouter:
    router = APIRouter(tags=["send"], responses=failures.RESPONSES | failures.CONFLICT | failures.TOO_LARGE)
    operator = Annotated[Caller, Depends(require("operator"))]
    described: dict[int | str, dict[str, Any]] = {202: {"model": answers.Accepted, "description": "is in the store"}}

    @router.post("/send", status_code=202, responses=described, openapi_extra=_body_of(SendRequest))
    async def send(request: Request, caller: operator) -> Response:
        """Accept one message; it is in the store when this answers. Role: operator."""
        body = await _parsed(request, SendRequest)
        ids = await _accept(acceptance, [body.notification(caller.name)], body, caller, request)
        # A UUID needs no escaping.
        return Response(b'{"id":"%b","status":"accepted"}' % ids[0].encode(), 202, media_type="application/json")

    described_batch: dict[int | str, dict[str, Any]] = {
        202: {"model": answers.BatchAccepted, "description": "all are in the store"}
    }

    @router.post("/batch", status_code=202, responses=described_batch, openapi_extra=_body_of(BatchRequest))
    async def batch(request: Request, caller: operator) -> Response:
        """Accept up to 1,000 messages: all, or none. Role: operator."""
        body = await _parsed(request, BatchRequest)
        notifications = [one.notification(caller.name) for one in body.notifications]
        ids = await _accept(acceptance, notifications, body, caller, request)
        return JSONResponse({"ids": list(ids), "status": "accepted"}, 202)

    return router


def _body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The description of a body that the route parses itself; what it refers to is written out in place."""
    schema = model.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs", {})
    for field in schema["properties"].values():
        items = field.get("items", {})
        if "$ref" in items:
            field["items"] = definitions[items["$ref"].rpartition("/")[2]]
    return {
        "parameters": [KEY_PARAMETER],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


async def _parsed(request: Request, model: type[Body]) -> Body:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        message = "is 1 to 256 visible characters of ASCII"
        raise RequestValidationError([{"loc": ("header", "Idempotency-Key"), "msg": message, "type": "key"}])
    return key


async def _accept(
    acceptance: Acceptance, notifications: Sequence[NewNotification], body: BaseModel, caller: Caller, request: Request
) -> tuple[str, ...]:
    keyed, key = None, _key(request)
    if key is not None:
        # Of the request as understood, so that spaces and the order of fields do not make another body of it.
        digest = hashlib.sha256(f"{type(body).__name__}\0{body.model_dump_json()}".encode()).hexdigest()
        keyed = Keyed(caller.name, key, digest)
    return await acceptance.accept(notifications, keyed)
