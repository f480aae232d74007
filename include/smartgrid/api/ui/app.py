"""The page and its API as one FastAPI application, mounted in Airflow at `/smartgrid` or run alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from smartgrid.api.callers import Require
from smartgrid.api.ui import answers, models, training
from smartgrid.api.ui.assets import OWN_FILES, PAGE, PLOTLY, chart_library
from smartgrid.api.ui.document import OVERVIEW, document
from smartgrid.api.ui.errors import NoSuchRun, UnknownZone
from smartgrid.api.ui.mining import add_mining
from smartgrid.api.ui.models import SYSTEM
from smartgrid.api.ui.notifications import add_notifications
from smartgrid.api.ui.powerbi import add_powerbi
from smartgrid.api.ui.security_headers import add_security_headers
from smartgrid.settings import get_settings

Zone = Annotated[str, Query(min_length=1, max_length=128, description="a zone, or SYSTEM for the sum over zones")]
Days = Annotated[int, Query(ge=1, le=60, description="days of measurements before data time")]
# No dots or slashes: the name becomes a folder.
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$", description="a training run")]
# The file belongs to an installed version: a browser may keep it for a day.
CACHED = {"Cache-Control": "private, max-age=86400"}

api = APIRouter(prefix="/api/v1", tags=["figures"])
page = APIRouter(include_in_schema=False)


def build_app(current_user: Callable[..., Any], require: Require | None = None) -> FastAPI:
    """The application. `current_user` is a FastAPI dependency that returns who asks, or raises 401.

    `require(role)` gives the pages on which people change something; without it they are left out. Every route needs a
    user, static files included; the schema is not served, because FastAPI would serve it to all.
    """
    app = FastAPI(
        title="Smart Grid", openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(current_user)]
    )
    app.middleware("http")(add_security_headers)
    app.add_exception_handler(UnknownZone, _unknown_zone)
    app.add_exception_handler(NoSuchRun, _no_such_run)
    app.include_router(api)
    app.include_router(page)
    add_mining(app)
    if require is not None:
        add_notifications(app, require)
        add_powerbi(app, require)
    return app


@page.get("/")
def index() -> HTMLResponse:
    """The page. Role: viewer."""
    return document(OVERVIEW)


@page.get("/static/{name}")
def static(name: str) -> FileResponse:
    """Scripts and styles of the page. Role: viewer."""
    if name == PLOTLY:
        return FileResponse(chart_library(), media_type="text/javascript", headers=CACHED)
    if name not in OWN_FILES:
        raise HTTPException(404, f"No file {name!r}.")
    return FileResponse(PAGE / name, media_type=OWN_FILES[name])


@api.get("/zones")
def zones() -> models.Zones:
    """Zones with validated measurements, and the data time. Role: viewer."""
    return answers.zones(get_settings())


@api.get("/forecasts")
def forecasts(zone: Zone = SYSTEM, days: Days = 7) -> models.Forecasts:
    """Measurements, weekly naive and every issued forecast of a zone. Role: viewer."""
    return answers.forecasts(get_settings(), zone, days)


@api.get("/leaderboard")
def leaderboard(zone: Zone = SYSTEM) -> models.Leaderboard:
    """Backtest scores of the newest tournament. Role: viewer."""
    return answers.leaderboard(get_settings(), zone)


@api.get("/validation")
def validation() -> models.LastValidation:
    """The newest validation: rows ingested, accepted, rejected by reason; warnings. Role: viewer."""
    return answers.last_validation(get_settings())


@api.get("/serving")
def serving() -> models.Serving:
    """The serving version by the ledger; methods and fallbacks of the newest forecast. Role: viewer."""
    return answers.serving(get_settings())


@api.get("/training")
def training_state() -> models.Training:
    """The tournament that runs now, and what the newest judged one left. Role: viewer."""
    return training.training(get_settings())


@api.get("/training/{run_id}/picture", response_class=FileResponse)
def picture(run_id: RunId) -> FileResponse:
    """Forecast against measurements and the leaderboard as PNG. Role: viewer."""
    return FileResponse(training.file_of(get_settings(), run_id, training.PICTURE), media_type="image/png")


@api.get("/training/{run_id}/report", response_class=FileResponse)
def report(run_id: RunId) -> FileResponse:
    """The report as Markdown. Role: viewer."""
    path = training.file_of(get_settings(), run_id, training.REPORT)
    return FileResponse(path, media_type="text/markdown; charset=utf-8", filename=f"tournament-{run_id}.md")


def _no_such_run(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=404)


def _unknown_zone(_request: Request, error: Exception) -> JSONResponse:
    """404 in the shape of FastAPI's own validation errors: `loc` says which field is wrong."""
    assert isinstance(error, UnknownZone)
    detail = [{"loc": ["query", "zone"], "msg": str(error), "type": "unknown_zone", "input": error.zone}]
    return JSONResponse({"detail": detail}, status_code=404)
