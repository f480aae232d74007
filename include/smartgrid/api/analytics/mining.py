"""The routes of the data mining. See docs/analytics-api.md."""

# No `from __future__ import annotations`: FastAPI could not see names that are local to `build_router`.

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from smartgrid.api.analytics import answers
from smartgrid.api.analytics.examples import ASSOCIATION, DBSCAN, KMEANS, Examples
from smartgrid.api.analytics.faults import Problem, Refusal, Refused, faults_of, printable
from smartgrid.api.analytics.models import AssociationRequest, DbscanRequest, KMeansRequest, MiningRequest
from smartgrid.api.analytics.service import Asker, MiningService
from smartgrid.api.callers import Caller, Require
from smartgrid.mining.request_files import JOB_ID

PREFIX = "/api/v1/analytics/data-mining"
JOBS = f"{PREFIX}/jobs"

_TOKEN_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No bearer token, or none that is valid."},
    403: {"model": Problem, "description": "The token's user has not the role that is needed."},
    503: {"model": Problem, "description": "It cannot be done now; `Retry-After` says when to try again."},
}
_MINING_ERRORS: dict[int | str, dict[str, Any]] = _TOKEN_ERRORS | {
    404: {"model": Refusal, "description": "The dataset is no CSV or Parquet file in the lake or in HOME."},
    413: {"model": Refusal, "description": "The body is larger than 8 MiB."},
    415: {"model": Problem, "description": "The body is not `application/json`."},
    422: {"model": Refusal, "description": "The request is wrong; each fault names the field and its limit."},
    429: {"model": Problem, "description": "Too many jobs are unfinished."},
}
_JOB_ERRORS: dict[int | str, dict[str, Any]] = _TOKEN_ERRORS | {
    404: {"model": Problem, "description": "There is no such job."},
    422: {"model": Refusal, "description": "The id has another form."},
}
_JOB_LINKS = {
    name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}} for name in ("get_job", "cancel_job")
}
_WORK = """

Small work is answered at once. Work that takes longer than ten seconds, has more than a million values or a file of
more than 8 MB is accepted as a **job**: 202 with the header `Location`, to be asked again. The header
`Prefer: respond-async` makes a job of any work.
"""

JobId = Annotated[str, Path(pattern=JOB_ID.pattern, description="id of a job", examples=["mine-" + "0" * 32])]


def build_router(require: Require, service: MiningService) -> APIRouter:
    """The routes; mining and cancelling need the role operator, looking at jobs the role viewer."""
    router = APIRouter(prefix=PREFIX, tags=["data mining"])
    operator = Depends(require("operator"))

    def add(path: str, method: str, model: type[MiningRequest], answer: type, about: str, examples: Examples) -> None:
        """One route of the four. Its body is read in `_mine`, when the caller is known."""

        async def mine(request: Request, caller: Annotated[Caller, operator]) -> Response:
            return await _mine(service, method, model, request, caller)

        router.add_api_route(
            path,
            mine,
            methods=["POST"],
            name=method,
            summary=about.partition(".")[0],
            description=about + _WORK,
            operation_id=method.replace("-", "_"),
            response_class=Response,
            openapi_extra=_request_body(model, examples),
            responses={
                200: {
                    "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}},
                    "description": f"The result, the same as that of `smartgrid mine {method}`.",
                },
                202: {
                    "model": answers.Job,
                    "description": "Accepted as a job.",
                    "headers": {"Location": {"description": "the job", "schema": {"type": "string"}}},
                    "links": _JOB_LINKS,
                },
                **_MINING_ERRORS,
            },
        )

    groups = "K-Means: groups of rows that look alike. Role: operator."
    dense = "DBSCAN: dense groups of rows, and the outliers with what is odd about them. Role: operator."
    rules = "frequent itemsets and association rules. Role: operator."
    add("/clustering/kmeans", "kmeans", KMeansRequest, answers.KMeansAnswer, groups, KMEANS)
    add("/clustering/dbscan", "dbscan", DbscanRequest, answers.DbscanAnswer, dense, DBSCAN)
    for method, name in (("apriori", "Apriori"), ("fp-growth", "FP-Growth")):
        about = f"{name}: {rules}"
        add(f"/association-rules/{method}", method, AssociationRequest, answers.AssociationAnswer, about, ASSOCIATION)

    @router.get("/jobs", operation_id="list_jobs", responses=_TOKEN_ERRORS)
    async def jobs(request: Request, caller: Annotated[Caller, Depends(require("viewer"))]) -> answers.Jobs:
        """The newest jobs, newest first. Role: viewer."""
        return answers.Jobs(jobs=await service.jobs.newest(_token(request)))

    @router.get(
        "/jobs/{job_id}",
        operation_id="get_job",
        response_class=Response,
        responses={200: {"model": answers.JobWithResult, "description": "The job as it is now."}, **_JOB_ERRORS},
    )
    async def job(request: Request, job_id: JobId, caller: Annotated[Caller, Depends(require("viewer"))]) -> Response:
        """A job, and its result once it succeeded. Role: viewer."""
        found = await service.jobs.get(job_id, _token(request))
        if found.status == "succeeded":
            return StreamingResponse(
                _with_result(found, service.jobs.result_file(job_id)), media_type="application/json"
            )
        headers = {"Retry-After": "1"} if found.status in ("queued", "running") else None
        return JSONResponse(found.model_dump(mode="json") | {"result": None}, headers=headers)

    @router.delete(
        "/jobs/{job_id}",
        operation_id="cancel_job",
        responses=_JOB_ERRORS | {409: {"model": Problem, "description": "The job ended already."}},
    )
    async def cancel(request: Request, job_id: JobId, caller: Annotated[Caller, operator]) -> answers.Job:
        """Cancel a job that has not ended; what it runs is ended too. Role: operator."""
        return await service.jobs.cancel(job_id, _token(request))

    return router


async def _mine(
    service: MiningService, method: str, model: type[MiningRequest], request: Request, caller: Caller
) -> Response:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        return JSONResponse({"detail": f"The body has to be application/json, not {printable(media_type)}."}, 415)
    wanted = {part.strip().lower() for part in request.headers.get("prefer", "").split(",")}
    try:
        # Not request.body(), which would keep it.
        asked = model.model_validate_json(b"".join([piece async for piece in request.stream()]))
    except ValidationError as error:
        raise Refused(faults_of(error)) from None
    accepted = service.accept(method, asked, as_job="respond-async" in wanted)
    # It may be many times the size of what the worker gets, and it may have to wait for one.
    del asked
    found = await service.mine(accepted, Asker(caller.name, _token(request)))
    if isinstance(found, bytes):
        return Response(found, media_type="application/json")
    location = f"{JOBS}/{found.id}"
    return JSONResponse(found.model_dump(mode="json"), 202, headers={"Location": location, "Retry-After": "1"})


def _token(request: Request) -> str:
    """The bearer token, with which Airflow is asked on behalf of the caller."""
    return request.headers.get("authorization", "").partition(" ")[2].strip()


def _with_result(job: answers.Job, result: FilePath) -> Iterator[bytes]:
    """The job as JSON with the content of the result file in it, which may be large."""
    yield json.dumps(job.model_dump(mode="json"))[:-1].encode() + b',"result":'
    with result.open("rb") as file:
        while piece := file.read(1024 * 1024):
            yield piece
    yield b"}"


def _request_body(model: type[MiningRequest], examples: Examples) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def add_schemas(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document the models that only `$ref`s name: FastAPI does not know that they are used."""
    used: list[type[BaseModel]] = [KMeansRequest, DbscanRequest, AssociationRequest]
    described: list[type[BaseModel]] = [answers.KMeansAnswer, answers.DbscanAnswer, answers.AssociationAnswer]
    _, schemas = models_json_schema(
        [(model, "validation") for model in used] + [(model, "serialization") for model in described],
        ref_template="#/components/schemas/{model}",
    )
    document["components"]["schemas"] |= schemas["$defs"]
