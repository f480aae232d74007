"""The analytics API as one FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.routing import Match

from smartgrid.api.analytics import mining, powerbi
from smartgrid.api.analytics.airflow_runs import AirflowRuns, AirflowSaysNo
from smartgrid.api.analytics.answers import HealthReport
from smartgrid.api.analytics.body_limit import BodyLimit
from smartgrid.api.analytics.faults import Refused, Unavailable, badly_formed, refused, unavailable
from smartgrid.api.analytics.jobs import JobEnded, Jobs, NoSuchJob
from smartgrid.api.analytics.limits import AnalyticsLimits
from smartgrid.api.analytics.pool import WorkerPool
from smartgrid.api.analytics.service import MiningService
from smartgrid.api.callers import Require
from smartgrid.mining.request_files import jobs_folder
from smartgrid.settings import get_settings

TITLE = "Smart Grid Analytics"
ABOUT = """Data mining of loads and grid events, and the reports of Power BI.

Every route but `/health` needs a bearer token of Airflow's auth manager: `POST /auth/token` of Airflow, or
`smartgrid platform token`. Roles: viewer, operator, approver, admin; each may do what the ones before it may.
"""


def build_app(require: Require, limits: AnalyticsLimits | None = None) -> FastAPI:
    """The application; `require(role)` authenticates its routes."""
    limits = limits or AnalyticsLimits()
    settings = get_settings()
    pool = WorkerPool(settings, limits)
    runs = AirflowRuns(settings.airflow_base_url)
    service = MiningService(settings, limits, pool, Jobs(jobs_folder(settings), runs, limits))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pool.start()
        yield
        await pool.stop()
        await runs.close()

    # No pages with documentation: their scripts come from another host.
    app = FastAPI(title=TITLE, version="1", description=ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.pool = pool
    app.add_middleware(BodyLimit, limit_bytes=limits.body_bytes)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(Unavailable, unavailable)
    app.add_exception_handler(RequestValidationError, badly_formed)
    for error, status in ((NoSuchJob, 404), (JobEnded, 409)):
        app.add_exception_handler(error, _answer(status))
    app.add_exception_handler(AirflowSaysNo, _airflow_says_no)
    app.add_exception_handler(405, _not_allowed)

    @app.get("/health", tags=["service"], operation_id="health")
    async def health() -> HealthReport:
        """Whether the service answers. Open to all."""
        return HealthReport(status="ok", detail=pool.state)

    app.include_router(mining.build_router(require, service))
    app.include_router(powerbi.build_router(require))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        mining.add_schemas(document)
        app.openapi_schema = document
    return app.openapi_schema


def _answer(status: int) -> Any:
    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=status)

    return answer


async def _not_allowed(request: Request, _error: Exception) -> JSONResponse:
    """405 with every method of the path: Starlette names only those of the first route that has this path."""
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    methods = sorted({method for route in matching for method in getattr(route, "methods", None) or ()})
    return JSONResponse({"detail": "Method Not Allowed"}, status_code=405, headers={"Allow": ", ".join(methods)})


async def _airflow_says_no(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AirflowSaysNo)
    return JSONResponse({"detail": str(error)}, status_code=error.status, headers={"WWW-Authenticate": "Bearer"})
