"""The page Reports: a Power BI report inside Airflow, shown by Microsoft's own JavaScript client."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response

from smartgrid.api.analytics.powerbi import build_router
from smartgrid.api.callers import Require
from smartgrid.api.ui.assets import PAGE
from smartgrid.api.ui.document import REPORTS, document
from smartgrid.api.ui.security_headers import CONTENT_SECURITY_POLICY
from smartgrid.powerbi.clouds import CLOUDS
from smartgrid.settings import get_settings

CLIENT = PAGE / "powerbi-client" / "powerbi.min.js"
# The file belongs to an installed version: a browser may keep it for a day.
CACHED = {"Cache-Control": "private, max-age=86400"}


def add_powerbi(app: FastAPI, require: Require) -> None:
    """Add the page and, below the same address, the routes that it asks. Roles as in the analytics API."""
    page = APIRouter(include_in_schema=False)

    @page.get("/reports")
    def reports() -> HTMLResponse:
        """The page. Role: viewer."""
        headers = {"Content-Security-Policy": report_policy()}
        return document(REPORTS, headers)

    @page.get("/powerbi-client/powerbi.min.js")
    def client() -> Response:
        """Microsoft's client. Role: viewer."""
        return FileResponse(CLIENT, media_type="text/javascript", headers=CACHED)

    app.include_router(page)
    app.include_router(build_router(require))


def report_policy() -> str:
    """The policy of the pages, which frames the reports of this cloud's web application and nothing else.

    Microsoft's client sets the style of its frame from its script, which the policy of styles allows already.
    """
    settings = get_settings().powerbi
    parts = urlsplit(settings.app_base or CLOUDS[settings.cloud].app_base)
    return f"{CONTENT_SECURITY_POLICY}; frame-src {parts.scheme}://{parts.netloc}"
