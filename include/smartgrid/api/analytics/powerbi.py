"""The routes of Power BI: reports, embed tokens, exports. See docs/power-bi.md."""

# No `from __future__ import annotations`: FastAPI could not see names that are local to `build_router`.

import datetime as dt
import math
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from smartgrid.api.callers import Caller, Require
from smartgrid.powerbi import exports
from smartgrid.powerbi.access import Access
from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.embed import embedding, identity_of
from smartgrid.powerbi.errors import (
    AccessDenied,
    BadCertificate,
    ExportFailed,
    ExportNotPossible,
    NoRowLevelRole,
    NotConfigured,
    NotFound,
    PowerBiError,
    Refused,
    SignInRefused,
    Unavailable,
    WrongAddress,
)
from smartgrid.powerbi.store_ready import store_ready
from smartgrid.powerbi.tokens import TokenSource
from smartgrid.settings import get_settings
from smartgrid.store.powerbi_tables import PowerBiExport

PREFIX = "/api/v1/analytics/powerbi"
# A person waits for the answer; the service's own pauses are passed on to the caller.
PATIENCE_S = 5.0
GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
# First match wins. What is wrong with our settings or the service is 503: the caller can do nothing about it.
STATUSES: tuple[tuple[type[PowerBiError], int], ...] = (
    (NotConfigured, 503),
    (SignInRefused, 503),
    (BadCertificate, 503),
    (WrongAddress, 503),
    (Unavailable, 503),
    (NoRowLevelRole, 403),
    (AccessDenied, 403),
    (NotFound, 404),
    (ExportNotPossible, 422),
    (ExportFailed, 409),
    (Refused, 502),
)


class Problem(BaseModel):
    """What is wrong, and what to do."""

    detail: str


class ReportAnswer(BaseModel):
    """One report of the workspace."""

    id: str
    name: str
    dataset_id: str | None
    paginated: bool = Field(description="made with Report Builder; the only kind that the service exports to Excel")
    web_url: str | None = Field(description="its page in Power BI, for people with an account there")


class Reports(BaseModel):
    """The reports of the workspace, by name."""

    reports: list[ReportAnswer]


class EmbedAnswer(BaseModel):
    """What Microsoft's JavaScript client needs. The token opens this report alone, read-only, until `expires_at`."""

    report_id: str
    report_name: str
    report_type: Literal["report", "paginated"]
    embed_url: str
    token: str
    token_type: Literal["Embed"] = "Embed"  # noqa: S105 - the kind of token, as the client calls it
    expires_at: dt.datetime
    identity_roles: list[str] | None = Field(description="row-level roles of the token; null: no row-level security")


class ExportRequest(BaseModel):
    """What to export as what."""

    model_config = ConfigDict(extra="forbid")

    report_id: str = Field(pattern=GUID, description="a report of the workspace")
    format: exports.FileFormat = Field(description="XLSX of a report that is not paginated is made from DAX queries")


class ExportAnswer(BaseModel):
    """An export and where to ask for it."""

    id: str
    report_id: str
    report_name: str
    format: str
    state: Literal["running", "succeeded", "failed"]
    percent: int
    attempts: int
    detail: str
    requested_by: str
    requested_at: dt.datetime
    status_url: str
    file_url: str | None = Field(description="there once the state is `succeeded`; kept for 24 hours")


class PowerBiRoute(APIRoute):
    """Turns this room's errors into answers, in whichever application the routes are mounted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except PowerBiError as error:
                status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
                headers = {}
                if isinstance(error, Unavailable):
                    headers["Retry-After"] = str(math.ceil(error.retry_after_s or 10))
                raise HTTPException(status, str(error), headers=headers) from None

        return answer


_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No bearer token, or none that is valid."},
    403: {"model": Problem, "description": "The caller's role, or the service principal, has no right to this."},
    404: {"model": Problem, "description": "There is no such report or export."},
    502: {"model": Problem, "description": "Power BI refused; its words are in the answer."},
    503: {"model": Problem, "description": "Power BI is not configured (what to set is said), or away for now."},
}
ReportId = Annotated[str, Query(pattern=GUID, description="a report of the workspace")]
ExportId = Annotated[str, Path(pattern=GUID, description="id of an export")]


def build_router(require: Require) -> APIRouter:
    """The routes. Reading needs the role viewer; starting an export, which costs capacity, the role operator."""
    router = APIRouter(prefix=PREFIX, tags=["power bi"], route_class=PowerBiRoute)
    viewer, operator = Depends(require("viewer")), Depends(require("operator"))

    @router.get("/reports", dependencies=[viewer], responses=_ERRORS, operation_id="powerbi_reports")
    def reports() -> Reports:
        """The reports of the workspace. Role: viewer."""
        found = sorted(_client().reports(), key=lambda report: report.name.lower())
        return Reports(
            reports=[
                ReportAnswer(
                    id=one.report_id,
                    name=one.name,
                    dataset_id=one.dataset_id,
                    paginated=one.paginated,
                    web_url=one.web_url,
                )
                for one in found
            ]
        )

    @router.get("/embed-token", responses=_ERRORS, operation_id="powerbi_embed_token")
    def embed_token(report_id: ReportId, caller: Annotated[Caller, viewer], response: Response) -> EmbedAnswer:
        """A token of short life for one report, with the row-level roles of the caller's role. Role: viewer."""
        settings = get_settings().powerbi
        made = embedding(_client(), report_id, caller.name, caller.role, settings.rls_roles, settings.embed_minutes)
        response.headers["Cache-Control"] = "no-store"
        return EmbedAnswer(
            report_id=made.report.report_id,
            report_name=made.report.name,
            report_type="paginated" if made.report.paginated else "report",
            embed_url=made.embed_url,
            token=made.token,
            expires_at=made.expires_at,
            identity_roles=made.identity_roles,
        )

    @router.post("/exports", status_code=202, responses=_ERRORS, operation_id="powerbi_start_export")
    def start_export(
        asked: ExportRequest, caller: Annotated[Caller, operator], request: Request, response: Response
    ) -> ExportAnswer:
        """Export a report to a file; the answer says where to ask for it. Role: operator."""
        settings, client = get_settings().powerbi, _client()
        store_ready()
        report = client.report(asked.report_id)
        identity = identity_of(client, report, caller.name, caller.role, settings.rls_roles)
        row = exports.start(client, report, asked.format, caller.name, identity, settings.workbook_queries)
        answer = _export(row, request)
        response.headers["Location"] = answer.status_url
        return answer

    @router.get("/exports/{export_id}", responses=_ERRORS, operation_id="powerbi_export")
    def export(
        export_id: ExportId, caller: Annotated[Caller, viewer], request: Request, response: Response
    ) -> ExportAnswer:
        """How far an export is. Role: viewer for one's own, operator for any."""
        row = exports.look(_client(), _visible(export_id, caller))
        if row.state == "running":
            response.headers["Retry-After"] = "5"
        return _export(row, request)

    @router.get(
        "/exports/{export_id}/file",
        response_class=FileResponse,
        responses=_ERRORS | {409: {"model": Problem, "description": "No file: not finished, or failed."}},
        operation_id="powerbi_export_file",
    )
    def export_file(export_id: ExportId, caller: Annotated[Caller, viewer]) -> FileResponse:
        """The file of a finished export. Role: viewer for one's own, operator for any."""
        row = _visible(export_id, caller)
        if row.state == "running":
            row = exports.look(_client(), row)
        path = exports.file_of(row)
        return FileResponse(
            path,
            media_type=exports.MEDIA_TYPES[path.suffix],
            filename=f"{row.report_name or 'report'}{path.suffix}",
            headers={"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"},
        )

    return router


router = build_router


def _client() -> PowerBiClient:
    access = Access.from_settings()
    return PowerBiClient(access, _tokens(access), patience_s=PATIENCE_S)


@lru_cache(maxsize=4)
def _tokens(access: Access) -> TokenSource:
    """One cache of tokens for all requests of the same settings."""
    return TokenSource(access)


def _visible(export_id: str, caller: Caller) -> PowerBiExport:
    store_ready()
    row = exports.find(export_id)
    if row.requested_by != caller.name and not caller.may("operator"):
        raise NotFound("Export", 404, "", f"no export {export_id} of yours.")
    return row


def _export(row: PowerBiExport, request: Request) -> ExportAnswer:
    base = f"{request.scope.get('root_path', '')}{PREFIX}/exports/{row.export_id}"
    return ExportAnswer(
        id=row.export_id,
        report_id=row.report_id,
        report_name=row.report_name,
        format=row.file_format,
        state=row.state,
        percent=row.percent or 0,
        attempts=row.attempts or 1,
        detail=row.detail or "",
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        status_url=base,
        file_url=f"{base}/file" if row.state == "succeeded" else None,
    )
