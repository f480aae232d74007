"""Errors as answers: every refusal names the field and its limit; none repeats the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

from smartgrid.errors import SmartGridError
from smartgrid.mining.dataset_files import DatasetRefused

MAX_FAULTS = 20
_BOUNDS = {"ge": "at least {:g}", "gt": "above {:g}", "le": "at most {:g}", "lt": "below {:g}"}
# What is allowed, where the error itself only says what kind of thing it wanted.
_KINDS = {
    "finite_number": "finite numbers",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "an object",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "missing": "it has to be there",
    "extra_forbidden": "only the fields of the schema",
    "json_invalid": "JSON",
}
_SIZES = {
    "too_short": "at least {min_length:,} entries",
    "too_long": "at most {max_length:,} entries",
    "string_too_short": "at least {min_length:,} character(s)",
    "string_too_long": "at most {max_length:,} characters",
}


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="part of the request, e.g. `data.3.1`", examples=["k"])
    limit: str = Field(description="what is allowed", examples=["1 to 3"])
    message: str = Field(description="what was found, and what to do", examples=["k: 9 clusters of 3 rows."])
    type: str = Field(description="name of the rule", examples=["TooManyClusters"])


class Refusal(BaseModel):
    """The request was understood and cannot be worked off as it is."""

    detail: list[Fault]


class Problem(BaseModel):
    """What went wrong, in words."""

    detail: str = Field(examples=["Not authenticated"])


class Refused(SmartGridError):
    """A request whose content is wrong; becomes the answer 422, or 404 where what it names does not exist."""

    exit_code = 2

    def __init__(self, faults: list[Fault], status: int = 422) -> None:
        self.faults, self.status = faults, status
        super().__init__("; ".join(fault.message for fault in faults))


class Unavailable(SmartGridError):
    """The service cannot work this off now; becomes `status` (429 or 503) with the header Retry-After."""

    def __init__(self, reason: str, status: int = 503, retry_after_s: int = 5) -> None:
        self.reason, self.status, self.retry_after_s = reason, status, retry_after_s
        super().__init__(reason)


def refusal(kind: str, field: str, limit: str, message: str) -> Refused:
    """What a mining function refused."""
    fault = Fault(field=field, limit=limit, message=message, type=kind)
    return Refused([fault], 404 if kind == DatasetRefused.__name__ else 422)


def printable(text: object) -> str:
    """`text` without halves of characters, which JSON can name and no encoding can write."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def faults_of(error: ValidationError) -> list[Fault]:
    """The faults that pydantic found, one for each field."""
    return _faults(error.errors(include_url=False, include_input=False, include_context=True))


def _faults(found: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """A union's alternatives all complain: of those of one field the most telling is kept."""
    kept: dict[str, list[Fault]] = {}
    for each in found[: MAX_FAULTS * 4]:
        fault = _fault(each)
        kept.setdefault(fault.field, []).append(fault)
    # The alternative that was not meant complains of the row itself, the one that was meant of what is in it.
    deepest = [field for field in kept if not any(other.startswith(f"{field}.") for other in kept)]
    return [_merged(kept[field]) for field in deepest][:MAX_FAULTS]


def _merged(faults: list[Fault]) -> Fault:
    telling = [fault for fault in faults if not fault.type.endswith("_type")]
    if telling or len(faults) == 1:
        return (telling or faults)[0]
    limit = " or ".join(dict.fromkeys(fault.limit for fault in faults))
    first = faults[0]
    return Fault(field=first.field, limit=limit, message=f"{first.field}: wanted is {limit}.", type=first.type)


def _fault(each: Mapping[str, Any]) -> Fault:
    context, kind = each.get("ctx", {}), str(each["type"])
    # Names of a union's alternatives look like list[...] and constrained-float.
    parts = [printable(part) for part in each["loc"] if isinstance(part, int) or not set(part) & set("[-(")]
    field = printable(context.get("field", "")) or ".".join(parts) or "body"
    message = printable(each["msg"])
    if kind in _SIZES:
        limit = _SIZES[kind].format(**context).replace("at least 1 entries", "at least 1 entry")
    else:
        bounds = [text.format(context[name]) for name, text in _BOUNDS.items() if name in context]
        limit = printable(context.get("limit") or context.get("expected") or context.get("pattern") or "")
        limit = limit or _KINDS.get(kind) or " and ".join(bounds) or message
    return Fault(field=field, limit=limit, message=f"{field}: {message}.", type=kind)


def refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse(Refusal(detail=error.faults).model_dump(), status_code=error.status)


def badly_formed(_request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own checks of paths and queries, in the shape of ours and without the values."""
    assert isinstance(error, RequestValidationError)
    found = [{**each, "loc": each["loc"][1:]} for each in error.errors()]
    return JSONResponse(Refusal(detail=_faults(found)).model_dump(), status_code=422)


def unavailable(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Unavailable)
    headers = {"Retry-After": str(error.retry_after_s)}
    return JSONResponse({"detail": error.reason}, status_code=error.status, headers=headers)
