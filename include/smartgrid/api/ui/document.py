"""The pages as HTML documents: what all of them have in common stands here once, their bodies are files."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from fastapi.responses import HTMLResponse

from smartgrid.api.ui.assets import PAGE, PLOTLY

NAVIGATION = "<!-- navigation -->"
_HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title}</title>
  <link rel="icon" href="data:,">
"""


@dataclass(frozen=True)
class Page:
    """One page: `body` is its file, `address` where it is, relative to the mount; styles and scripts by address."""

    body: str
    address: str
    label: str
    title: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]


def _static(*names: str) -> tuple[str, ...]:
    return tuple(f"static/{name}" for name in names)


OVERVIEW = Page(
    "index.html", "./", "Overview", "Smart Grid", _static("style.css"), _static(PLOTLY, "charts.js", "app.js")
)
PATTERNS = Page(
    "patterns.html",
    "patterns",
    "Load patterns",
    "Load patterns – Smart Grid",
    _static("style.css", "patterns.css"),
    _static(PLOTLY, "pattern_charts.js", "rule_charts.js", "patterns.js"),
)
NOTIFICATIONS = Page(
    "notifications.html",
    "notifications",
    "Notifications",
    "Notifications – Smart Grid",
    _static("style.css", "notifications.css"),
    _static("push.js", "notifications.js"),
)
REPORTS = Page(
    "reports.html",
    "reports",
    "Reports",
    "Reports – Smart Grid",
    _static("style.css", "reports.css"),
    ("powerbi-client/powerbi.min.js", *_static("reports.js")),
)
PAGES = (OVERVIEW, PATTERNS, NOTIFICATIONS, REPORTS)


def document(page: Page, headers: dict[str, str] | None = None) -> HTMLResponse:
    """The whole document of `page`, with links to the others."""
    links = [f'  <link rel="stylesheet" href="{style}">\n' for style in page.styles]
    links += [f'  <script src="{script}" defer></script>\n' for script in page.scripts]
    body = (PAGE / page.body).read_text(encoding="utf-8").replace(NAVIGATION, _navigation(page))
    head = _HEAD.format(title=escape(page.title)) + "".join(links) + "</head>\n"
    return HTMLResponse(f"{head}{body}</html>\n", headers=headers)


def _navigation(current: Page) -> str:
    mark = {current: ' aria-current="page"'}
    links = [f'<a href="{page.address}"{mark.get(page, "")}>{page.label}</a>' for page in PAGES]
    return f'<nav aria-label="Pages">{" ".join(links)}</nav>'
