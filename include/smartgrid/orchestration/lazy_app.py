"""The page as an ASGI application that is built by its first request.

Every Airflow process loads the plugins, forked task workers included; only the API server ever needs the page and
what it imports (FastAPI, polars, SQLAlchemy models).
"""

from __future__ import annotations

from typing import Any


class LazyApp:
    """ASGI application: `smartgrid.api.ui` with Airflow's authentication."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            from smartgrid.api.ui import build_app
            from smartgrid.orchestration.api_auth import airflow_require
            from smartgrid.orchestration.auth import airflow_viewer

            self._app = build_app(airflow_viewer, airflow_require)
        await self._app(scope, receive, send)
