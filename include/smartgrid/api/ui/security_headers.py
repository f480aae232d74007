"""Response headers of the page: nothing from elsewhere may run in it or frame it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

# Styles inline: the chart library sets them on the elements that it draws. Frames: Airflow shows the page in one.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


async def add_security_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)  # a page that frames something says so itself
    # Figures change with every run and belong to who is logged in.
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
