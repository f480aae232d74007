"""The Power BI REST API of one workspace, typed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from smartgrid.clock import wall_clock
from smartgrid.powerbi.access import Access
from smartgrid.powerbi.entities import Dataset, EmbedToken, ExportJob, Json, Report, Workspace
from smartgrid.powerbi.errors import AccessDenied, NotFound, Refused, Unavailable, UnknownDataset
from smartgrid.powerbi.refresh_report import RefreshReport, from_details, from_history
from smartgrid.powerbi.retry_after import retry_after_s, service_time
from smartgrid.powerbi.tokens import TokenSource
from smartgrid.powerbi.transport import Transport, parsed

PATIENCE_S = 60.0
HISTORY = 30
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CHUNK = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class History:
    """Refreshes, newest first as the service lists them, and the service's time when it told them."""

    entries: list[RefreshReport]
    service_time: datetime


@dataclass(frozen=True)
class Accepted:
    """A refresh that the service took on. `ids` are all that may be its id; a standard refresh may have none."""

    ids: list[str]


class PowerBiClient:
    """Calls of one workspace. Every method may raise what `Transport.send` raises."""

    def __init__(
        self,
        access: Access,
        tokens: TokenSource | None = None,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self.tokens = tokens or TokenSource(access)
        self._transport = Transport(access, self.tokens, patience_s, sleep)
        self._group = f"/groups/{_segment(access.workspace_id)}"

    # --- what there is

    def workspaces(self) -> list[Workspace]:
        return self._list("/groups", "Workspaces", Workspace.parse)

    def workspace(self) -> Workspace:
        """The configured workspace.

        Raises:
            NotFound: the service principal does not see it.
        """
        wanted = self.access.workspace_id
        path = f"/groups?$filter=id%20eq%20%27{_segment(wanted)}%27"
        found = self._list(path, "Workspace", Workspace.parse)
        for one in found:
            if one.workspace_id.lower() == wanted.lower():
                return one
        raise NotFound("Workspace", 404, "", f"{wanted} is not among the workspaces of the service principal.")

    def reports(self) -> list[Report]:
        return self._list(f"{self._group}/reports", "Reports", Report.parse)

    def report(self, report_id: str) -> Report:
        path = f"{self._group}/reports/{_segment(report_id)}"
        return self._one(self._transport.json("GET", path, "Report"), "Report", Report.parse)

    def datasets(self) -> list[Dataset]:
        return self._list(f"{self._group}/datasets", "Datasets", Dataset.parse)

    def dataset(self, dataset_id: str) -> Dataset:
        path = f"{self._group}/datasets/{_segment(dataset_id)}"
        return self._one(self._transport.json("GET", path, "Dataset"), "Dataset", Dataset.parse)

    def dataset_id(self, name_or_id: str) -> str:
        """The id of a dataset given by id or by name.

        Raises:
            UnknownDataset
        """
        if _GUID.fullmatch(name_or_id.strip()):
            return name_or_id.strip()
        try:
            found = self.datasets()
        except Refused as error:
            if isinstance(error, AccessDenied):
                raise
            return name_or_id  # no list, no names: the service says whether it is an id
        for one in found:
            if name_or_id in (one.dataset_id, one.name):
                return one.dataset_id
        raise UnknownDataset(name_or_id, [one.name for one in found])

    def dataset_url(self, dataset_id: str) -> str:
        """The page of a dataset in the web application."""
        group = _segment(self.access.workspace_id)
        return f"{self.access.app_base}/groups/{group}/datasets/{_segment(dataset_id)}/details"

    # --- refreshes

    def refresh_history(self, dataset_id: str) -> History:
        path = f"{self._refreshes(dataset_id)}?$top={HISTORY}"
        response = self._transport.send("GET", path, "Refresh history")
        rows = _rows(parsed(response, "Refresh history"), "Refresh history")
        return History([from_history(row) for row in rows], service_time(response.headers) or wall_clock())

    def refresh_details(self, dataset_id: str, request_id: str) -> RefreshReport:
        """State of one enhanced refresh."""
        path = f"{self._refreshes(dataset_id)}/{_segment(request_id)}"
        response = self._transport.send("GET", path, "Refresh")
        return from_details(parsed(response, "Refresh"), request_id, response.status_code)

    def start_refresh(self, dataset_id: str, enhanced: bool, timeout: timedelta | None = None) -> Accepted:
        """Ask for a refresh; never repeated by itself, because each may start one.

        Raises:
            Unavailable: and not NotSent or Throttled: it may have been started.
        """
        body: Json = {"notifyOption": "NoNotification"}
        if enhanced:
            body = {"type": "Full", "commitMode": "Transactional"}
            if timeout is not None:
                minutes, seconds = divmod(int(timeout.total_seconds()), 60)
                body["timeout"] = f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
        response = self._transport.send("POST", self._refreshes(dataset_id), "Start of refresh", body=body, safe=False)
        headers = response.headers
        tail = headers.get("Location", "").rstrip("/").rpartition("/")[2].partition("?")[0]
        ids = [headers.get("x-ms-request-id"), tail if _GUID.fullmatch(tail) else None, headers.get("RequestId")]
        return Accepted(list(dict.fromkeys(one for one in ids if one)))

    def cancel_refresh(self, dataset_id: str, request_id: str) -> None:
        """Cancel an enhanced refresh; a standard one cannot be cancelled."""
        self._transport.send("DELETE", f"{self._refreshes(dataset_id)}/{_segment(request_id)}", "Cancel of refresh")

    # --- embedding, export, queries

    def embed_token(self, body: Json) -> EmbedToken:
        answer = self._transport.json("POST", "/GenerateToken", "Embed token", body=body)
        return self._one(answer, "Embed token", EmbedToken.parse)

    def start_export(self, report_id: str, body: Json) -> ExportJob:
        # Repeating it may make a second file, which costs a moment of the capacity and harms nothing else.
        path = f"{self._group}/reports/{_segment(report_id)}/ExportTo"
        response = self._transport.send("POST", path, "Start of export", body=body)
        return self._job(response, "Start of export")

    def export_job(self, report_id: str, job_id: str) -> ExportJob:
        path = f"{self._group}/reports/{_segment(report_id)}/exports/{_segment(job_id)}"
        return self._job(self._transport.send("GET", path, "Export"), "Export")

    def export_file(self, report_id: str, job_id: str) -> Iterator[bytes]:
        path = f"{self._group}/reports/{_segment(report_id)}/exports/{_segment(job_id)}/file"
        with self._transport.send("GET", path, "Export file", stream=True) as response:
            try:
                yield from response.iter_content(_CHUNK)
            except requests.RequestException as error:
                raise Unavailable("Export file", f"the file broke off ({type(error).__name__})") from None

    def query(self, dataset_id: str, dax: str) -> list[Json]:
        """The rows of a DAX query."""
        path = f"{self._group}/datasets/{_segment(dataset_id)}/executeQueries"
        body = {"queries": [{"query": dax}], "serializerSettings": {"includeNulls": True}}
        answer = self._transport.json("POST", path, "DAX query", body=body)
        try:
            rows: list[Json] = answer["results"][0]["tables"][0].get("rows", [])
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Unavailable("DAX query", f"no table in the answer {str(answer.get('error') or '')[:300]}") from None
        return rows

    def _refreshes(self, dataset_id: str) -> str:
        return f"{self._group}/datasets/{_segment(dataset_id)}/refreshes"

    def _list(self, path: str, what: str, parse: Callable[[Json], T]) -> list[T]:
        rows = _rows(self._transport.json("GET", path, what), what)
        return [self._one(row, what, parse) for row in rows]

    @staticmethod
    def _one(row: Json, what: str, parse: Callable[[Json], T]) -> T:
        try:
            return parse(row)
        except (KeyError, TypeError, ValueError):
            raise Unavailable(what, "the answer lacks fields that it must have") from None

    def _job(self, response: requests.Response, what: str) -> ExportJob:
        asked = retry_after_s(response.headers)
        return self._one(parsed(response, what), what, lambda row: ExportJob.parse(row, asked))


def _rows(answer: Json, what: str) -> list[Json]:
    rows: Any = answer.get("value")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unavailable(what, "the answer has no list")
    return rows


def _segment(text: str) -> str:
    """An id as one segment of a path, whatever it contains."""
    return quote(text, safe="")
