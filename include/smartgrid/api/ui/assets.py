"""Files of the page. The chart library comes out of the installed `plotly` package: no network is needed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from smartgrid.errors import SmartGridError

PAGE = Path(__file__).parent / "page"
OWN_FILES = {
    "app.js": "text/javascript",
    "charts.js": "text/javascript",
    "notifications.js": "text/javascript",
    "push.js": "text/javascript",
    "push_worker.js": "text/javascript",
    "pattern_charts.js": "text/javascript",
    "rule_charts.js": "text/javascript",
    "patterns.js": "text/javascript",
    "reports.js": "text/javascript",
    "reports.css": "text/css",
    "style.css": "text/css",
    "patterns.css": "text/css",
    "notifications.css": "text/css",
}
PLOTLY = "plotly.min.js"


class ChartLibraryMissing(SmartGridError):
    """The package `plotly` is not installed."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("The package plotly is missing: the page cannot draw charts. Run `make setup`.")


def chart_library() -> Path:
    """Path of plotly.js, found without importing plotly.

    Raises:
        ChartLibraryMissing
    """
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ChartLibraryMissing
    return Path(spec.submodule_search_locations[0]) / "package_data" / PLOTLY
