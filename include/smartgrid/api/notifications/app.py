"""The notification API as one FastAPI application."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from smartgrid.api.callers import Require
from smartgrid.api.notifications.body_limit import BodyLimit
from smartgrid.api.notifications.failures import add_handlers
from smartgrid.api.notifications.incoming import alert_routes, callback_routes
from smartgrid.api.notifications.receivers import endpoint_routes, subscription_routes
from smartgrid.api.notifications.routing import routing_routes
from smartgrid.api.notifications.sending import sending_routes
from smartgrid.api.notifications.tracking import tracking_routes
from smartgrid.notifications.acceptance import Acceptance
from smartgrid.notifications.worker_process import WorkerProcess
from smartgrid.settings import get_settings
from smartgrid.store import migrate

PREFIX = "/api/v1/notifications"


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    worker: Literal["running", "starting", "off"]


def build_app(require: Require) -> FastAPI:
    """The application; `require(role)` authenticates its routes. While it runs, so does a worker that delivers."""
    settings = get_settings()
    worker = WorkerProcess() if settings.outbox.worker else None
    acceptance = Acceptance(settings, on_accepted=worker.wake if worker else lambda: None)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(migrate)
        acceptance.start()
        if worker is not None:
            worker.start()
        # What is loaded now stays: looking through it for garbage once a second stopped all requests for 0.1 s.
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        await run_in_threadpool(acceptance.stop)
        if worker is not None:
            await run_in_threadpool(worker.stop)

    app = FastAPI(title="Smart Grid Notifications", version="1", lifespan=lifespan)
    app.add_middleware(BodyLimit)
    add_handlers(app)

    @app.get("/health", tags=["health"])
    async def health() -> Health:
        """Whether the service runs, and its worker. No role."""
        if worker is None:
            return Health(worker="off")
        return Health(worker="running" if worker.pid is not None else "starting")

    api = APIRouter(prefix=PREFIX)
    api.include_router(sending_routes(require, acceptance))
    api.include_router(endpoint_routes(require))
    api.include_router(subscription_routes(require))
    api.include_router(callback_routes())
    api.include_router(alert_routes(require))
    api.include_router(routing_routes(require))
    app.include_router(api)
    # Last: its `/{notification_id}` would take what the others are called.
    app.include_router(tracking_routes(require, PREFIX))
    return app
