"""The notifications page: its file, and the same routes that the notification API has, for the session of Airflow."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from smartgrid.api.callers import Require
from smartgrid.api.notifications.failures import add_handlers
from smartgrid.api.notifications.receivers import subscription_routes
from smartgrid.api.notifications.routing import routing_routes
from smartgrid.api.notifications.tracking import tracking_routes
from smartgrid.api.ui.document import NOTIFICATIONS, document

PREFIX = "/api/v1/notifications"


def add_notifications(app: FastAPI, require: Require) -> None:
    """Add page and routes to the page's application. They work while the notification service is down."""
    add_handlers(app)
    api = APIRouter(prefix=PREFIX)
    api.include_router(subscription_routes(require))
    api.include_router(routing_routes(require))
    app.include_router(api)
    # Last: its `/{notification_id}` would take what the others are called.
    app.include_router(tracking_routes(require, PREFIX))
    app.include_router(_page())


def _page() -> APIRouter:
    page = APIRouter(include_in_schema=False)

    @page.get("/notifications")
    def notifications() -> HTMLResponse:
        """The page. Role: viewer."""
        return document(NOTIFICATIONS)

    return page
