"""The Smart Grid page inside Airflow (an authenticated application at /smartgrid and an entry in the navigation), and
the listeners that write the note of a training run and report failures."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from smartgrid.orchestration import failure_listener, run_notes
from smartgrid.orchestration.lazy_app import LazyApp


class SmartGridPlugin(AirflowPlugin):
    name = "smartgrid"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": LazyApp(), "url_prefix": "/smartgrid", "name": "Smart Grid"},
    ]
    listeners: ClassVar[list[Any]] = [run_notes, failure_listener]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "Smart Grid",
            "href": "/smartgrid/",
            "destination": "nav",
            "url_route": "smart-grid",
            "nav_top_level": True,
        }
    ]
