"""Errors as answers: each says which part of the request is wrong, none repeats what was sent."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from smartgrid.api.notifications import answers
from smartgrid.notifications import errors
from smartgrid.notifications.incidents import NoSuchIncident
from smartgrid.notifications.silences import NoSuchSilence
from smartgrid.notifications.transaction import STORE_AWAY

# Errors of a whole model are named after the field that they are about.
_FIELDS = frozenset({"recipient", "platform", "not_before", "expires_at", "secret", "subscription", "token"})
_STATUS: dict[type[errors.NotificationError], tuple[int, tuple[str, ...]]] = {
    errors.UnknownNotification: (404, ("path", "notification_id")),
    errors.UnknownDelivery: (404, ("path", "delivery_id")),
    errors.UnknownEndpoint: (404, ("path", "endpoint_id")),
    errors.UnknownSubscription: (404, ("path", "subscription_id")),
    NoSuchIncident: (404, ("path", "incident_id")),
    NoSuchSilence: (404, ("path", "silence_id")),
    errors.UnknownRecipient: (422, ("body", "recipient")),
    errors.NothingToCancel: (409, ("path", "notification_id")),
    errors.NotADeadLetter: (409, ("path", "delivery_id")),
    errors.EndpointNameTaken: (409, ("body", "name")),
    errors.KeyReused: (409, ("header", "Idempotency-Key")),
}
RETRY_AFTER_S = 2

# For the description of the API.
RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": answers.Problem, "description": "no valid bearer token"},
    403: {"model": answers.Problem, "description": "the role is missing"},
    422: {"model": answers.Refusal, "description": "something in the request is wrong"},
    503: {"model": answers.Problem, "description": "nothing was changed; try again after Retry-After"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": answers.Refusal, "description": "there is no such thing"}}
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": answers.Refusal, "description": "not in this state"}}
TOO_LARGE: dict[int | str, dict[str, Any]] = {413: {"model": answers.Refusal, "description": "the body is too large"}}


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(errors.NotificationError, _failed)
    for away in STORE_AWAY:
        app.add_exception_handler(away, _store_away)


def fault(status: int, loc: tuple[str | int, ...], message: str, kind: str) -> JSONResponse:
    return JSONResponse({"detail": [{"loc": list(loc), "msg": message, "type": kind}]}, status_code=status)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """422 without the input: it may be a secret, and it is the caller's anyway."""
    assert isinstance(error, RequestValidationError)
    faults = []
    for found in error.errors():
        loc = [_printable(part) for part in found["loc"]]
        if found["type"] in _FIELDS and found["type"] not in loc:
            loc.append(found["type"])
        message = str(found["msg"]).removeprefix("Value error, ")
        faults.append({"loc": loc, "msg": _printable(message), "type": found["type"]})
    return JSONResponse({"detail": faults[:50]}, status_code=422)


def _failed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.NotificationError)
    if isinstance(error, errors.OutboxFull | errors.StoreUnavailable):
        return JSONResponse({"detail": str(error)}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})
    status, loc = _STATUS.get(type(error), (422, ("body",)))
    return fault(status, loc, str(error), type(error).__name__)


def _store_away(_request: Request, _error: Exception) -> JSONResponse:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return JSONResponse({"detail": "The store does not answer; try again."}, status_code=503, headers=headers)


def _printable(part: Any) -> Any:
    """Without halves of characters, which JSON can name and no encoding can write."""
    return part if isinstance(part, int) else str(part).encode("utf-8", "replace").decode("utf-8")
