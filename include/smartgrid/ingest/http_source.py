"""Measurements behind an HTTP endpoint that answers JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl

from smartgrid import clock
from smartgrid.errors import ConfigurationError, SmartGridError
from smartgrid.ingest.normalise import MALFORMED
from smartgrid.ingest.queried_source import QueriedSource
from smartgrid.ingest.source import identity
from smartgrid.ingest.typed_column import as_text, typed_column
from smartgrid.lake.window import Window
from smartgrid.settings import Settings

TIMEOUT_S = 30.0
# Waits before the second, third and fourth attempt: an endpoint that restarts is back within them.
RETRY_DELAYS_S: tuple[float, ...] = (0.5, 2.0, 5.0)
_MAX_PAGES = 10_000
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class HttpSourceError(SmartGridError):
    """The endpoint did not answer as it should; `status` is None where there was no answer."""

    def __init__(self, endpoint: str, status: int | None, problem: str) -> None:
        self.endpoint, self.status, self.problem = endpoint, status, problem
        answered = f"answered {status}" if status is not None else "gave no answer"
        super().__init__(f"{endpoint} {answered}: {problem}. Check source.url, source.token and source.records.")


class HttpSource(QueriedSource):
    """GET `source.url` with `start` and `end` (ISO 8601, UTC) and follow `next` links on the same host."""

    def __init__(self, settings: Settings) -> None:
        source = settings.source
        if source.url is None:
            raise ConfigurationError(["source.url: is needed where source.kind is http"])
        try:
            url = httpx.URL(source.url.get_secret_value())
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigurationError(["source.url: is no http or https address"])
        self._url, self._token, self._records = url, source.token, source.records
        # Keys often travel in the query: it is neither shown nor stored.
        self._endpoint = str(url.copy_with(username=None, password=None, query=None, fragment=None))
        super().__init__(settings, identity("http", str(url), source.records), self._endpoint)

    def span(self) -> Window:
        # An endpoint has no way to say it: ask for everything.
        now = clock.now() if clock.started() else datetime.now(UTC)
        return self._span_of_everything(Window(_FIRST, max(now, datetime.now(UTC)) + timedelta(days=2)))

    def fetch(self, window: Window) -> pl.DataFrame:
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        url = self._url.copy_merge_params({"start": _iso(window.start), "end": _iso(window.end)})
        records: list[Any] = []
        with httpx.Client(timeout=TIMEOUT_S, headers=headers, follow_redirects=False) as client:
            for _ in range(_MAX_PAGES):
                response = self._get(client, url)
                body = self._json(response)
                records.extend(self._list(body))
                following = self._next(response, body, url)
                if following is None:
                    return _table(records)
                url = following
        raise HttpSourceError(self._endpoint, None, f"more than {_MAX_PAGES} pages")

    def _get(self, client: httpx.Client, url: httpx.URL) -> httpx.Response:
        problem, status = "", None
        for delay_s in (0.0, *RETRY_DELAYS_S):
            time.sleep(delay_s)
            try:
                response = client.get(url)
            except httpx.TransportError as error:
                problem, status = type(error).__name__, None
                continue
            if response.status_code == 200:
                return response
            problem, status = response.reason_phrase or "no data", response.status_code
            if status != 429 and status < 500:
                break
        raise HttpSourceError(self._endpoint, status, problem)

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise HttpSourceError(self._endpoint, response.status_code, "the answer is not JSON") from None

    def _list(self, body: Any) -> list[Any]:
        found = body
        for part in filter(None, self._records.split(".")):
            found = found.get(part) if isinstance(found, dict) else None
        if not isinstance(found, list):
            where = f"at {self._records!r}" if self._records else "at the top"
            raise HttpSourceError(self._endpoint, 200, f"there is no list of records {where}")
        return found

    def _next(self, response: httpx.Response, body: Any, url: httpx.URL) -> httpx.URL | None:
        """The next page: a `next` in the answer (as such or in `links`) or a Link header."""
        link: Any = None
        if isinstance(body, dict):
            links = body.get("links")
            link = body.get("next") or (links.get("next") if isinstance(links, dict) else None)
        link = link or response.links.get("next", {}).get("url")
        if not isinstance(link, str) or not link:
            return None
        following = url.join(link)
        if (following.scheme, following.host, following.port) != (self._url.scheme, self._url.host, self._url.port):
            # The token must not travel to another host.
            raise HttpSourceError(self._endpoint, 200, f"the next page is on another host, {following.host}")
        return following


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _table(records: list[Any]) -> pl.DataFrame:
    """One row per record; what is no object keeps its text."""
    objects = [record if isinstance(record, dict) else {MALFORMED: as_text(record)} for record in records]
    names = list(dict.fromkeys(name for record in objects for name in record))
    columns = [typed_column(name, [record.get(name) for record in objects]) for name in names]
    return pl.DataFrame(columns)
