"""A stateful fake of the Power BI service: refreshes that take time and end in many ways, and faults on order.

It answers on plain http on loopback, checks every bearer token with the sign-in stand-in, and keeps a record of what
was really started. What its history shows lags behind by `listed_after_s`, as that of the service does.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

WORKSPACE = "aaaaaaaa-0000-4000-8000-000000000001"
DATASET = "dddddddd-0000-4000-8000-000000000001"
SECURED_DATASET = "dddddddd-0000-4000-8000-000000000002"
REPORT = "eeeeeeee-0000-4000-8000-000000000001"
PAGINATED_REPORT = "eeeeeeee-0000-4000-8000-000000000002"
SECURED_REPORT = "eeeeeeee-0000-4000-8000-000000000003"
FORBIDDEN_REPORT = "eeeeeeee-0000-4000-8000-00000000000f"
PDF = b"%PDF-1.7 exported by the fake\n%%EOF\n"


@dataclass
class Ending:
    """How and when a refresh ends."""

    status: str = "Completed"
    after_s: float = 0.15
    exception: dict[str, Any] | None = None
    extended: str | None = None


@dataclass
class FakeRefresh:
    refresh_id: str
    refresh_type: str
    started: float
    ending: Ending
    listed_from: float = 0.0
    has_id: bool = True
    cancelled_at: float | None = None
    skew_s: float = 0.0

    def ends_at(self) -> float:
        natural = self.started + self.ending.after_s
        return natural if self.cancelled_at is None else min(natural, self.cancelled_at)

    def over(self, now: float) -> bool:
        return now >= self.ends_at()

    def status(self, now: float) -> str:
        if not self.over(now):
            return "Unknown"
        return "Cancelled" if self.cancelled_at is not None else self.ending.status


@dataclass
class Fault:
    """Answers instead of the service; `acts` first does what was asked, so that the answer lies."""

    method: str
    path: str
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    drop: bool = False
    acts: bool = False
    delay_s: float = 0.0
    times: int = 1


class PowerBiFake:
    """`started` is the truth that tests compare with: every refresh that really began."""

    def __init__(self, verify: Callable[[str], Any], port: int = 0) -> None:
        self.verify = verify
        self.dedicated = True
        self.listed_after_s = 0.0
        self.ids = "header"  # header | none | foreign (a correlation id that names nothing)
        self.history_has_ids = True
        self.start_skew_s = 0.0
        self.daily_limit: int | None = None
        self.started: list[FakeRefresh] = []
        self.endings: list[Ending] = []
        self.faults: list[Fault] = []
        self.revoked: set[str] = set()
        self.down_until = 0.0
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[tuple[str, Any]] = []
        self.export_plan: list[str] = []
        self.exports: dict[str, dict[str, Any]] = {}
        self.tokens_seen: set[str] = set()
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    # --- orders of the tests

    def fault(self, method: str, path: str, **what: Any) -> None:
        self.faults.append(Fault(method, path, **what))

    def ends(self, *endings: Ending) -> None:
        self.endings.extend(endings)

    def go_down(self, seconds: float) -> None:
        self.down_until = time.time() + seconds

    def begin(self, kind: str, ending: Ending, *, given_id: bool = True) -> FakeRefresh:
        """A refresh by whoever it may be."""
        now = time.time()
        with self.lock:
            refresh = FakeRefresh(
                str(uuid.uuid4()), kind, now, ending, now + self.listed_after_s,
                has_id=self.history_has_ids and given_id, skew_s=self.start_skew_s,
            )  # fmt: skip
            self.started.append(refresh)
        return refresh

    def ours(self) -> list[FakeRefresh]:
        return [one for one in self.started if one.refresh_type in ("ViaApi", "ViaEnhancedApi")]

    # --- the service

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, dict[str, str], Any]:
        group = f"/groups/{WORKSPACE}"
        if (method, path) == ("GET", "/groups"):
            row = {"id": WORKSPACE, "name": "Grid", "isOnDedicatedCapacity": self.dedicated, "isReadOnly": False}
            return 200, {}, {"value": [row]}
        if (method, path) == ("POST", "/GenerateToken"):
            return self._embed_token(body)
        if not path.startswith(group + "/"):
            return 404, {}, error("PowerBIEntityNotFound", "no such workspace")
        rest = path.removeprefix(group)
        if rest == "/datasets":
            return 200, {}, {"value": [dataset(DATASET), dataset(SECURED_DATASET)]}
        if match := re.fullmatch(r"/datasets/([^/]+)", rest):
            if match[1] not in (DATASET, SECURED_DATASET):
                return 404, {}, error("PowerBIEntityNotFound", "")
            return 200, {}, dataset(match[1])
        if rest == "/reports":
            return 200, {}, {"value": [report(one) for one in (REPORT, PAGINATED_REPORT, SECURED_REPORT)]}
        if match := re.fullmatch(r"/reports/([^/]+)", rest):
            if match[1] == FORBIDDEN_REPORT:
                return 403, {}, error("PowerBINotAuthorizedException", "no right to the report")
            if match[1] not in (REPORT, PAGINATED_REPORT, SECURED_REPORT):
                return 404, {}, error("PowerBIEntityNotFound", "")
            return 200, {}, report(match[1])
        if match := re.fullmatch(r"/datasets/([^/]+)/executeQueries", rest):
            rows = [{"Zone[zone]": "Z1", "[load_kw]": 12.5}, {"Zone[zone]": "=cmd()", "[load_kw]": None}]
            return 200, {}, {"results": [{"tables": [{"rows": rows}]}]}
        if match := re.fullmatch(r"/datasets/([^/]+)/refreshes", rest):
            return self._start(body) if method == "POST" else self._history()
        if match := re.fullmatch(r"/datasets/([^/]+)/refreshes/([^/]+)", rest):
            return self._cancel(match[2]) if method == "DELETE" else self._details(match[2])
        if match := re.fullmatch(r"/reports/([^/]+)/ExportTo", rest):
            return self._export(match[1], body)
        if match := re.fullmatch(r"/reports/([^/]+)/exports/([^/]+)", rest):
            return self._export_status(match[2])
        if match := re.fullmatch(r"/reports/([^/]+)/exports/([^/]+)/file", rest):
            return 200, {"Content-Type": "application/pdf"}, PDF
        return 404, {}, error("NotFound", path)

    def _start(self, body: Any) -> tuple[int, dict[str, str], Any]:
        enhanced = bool(set(body or {}) - {"notifyOption"})
        with self.lock:
            now = time.time()
            if enhanced and not self.dedicated:
                return 400, {}, error("InvalidRequest", "Enhanced refresh is not supported for shared capacity.")
            if enhanced and "notifyOption" in body:
                return 400, {}, error("InvalidRequest", "notifyOption must not be specified.")
            if any(not one.over(now) for one in self.started):
                if enhanced:
                    return 409, {}, error("Conflict", "a refresh is running")
                message = "Invalid dataset refresh request. Another refresh request is already executing"
                return 400, {}, error("InvalidRequest", message)
            if self.daily_limit is not None and len(self.ours()) >= self.daily_limit:
                return 400, {}, error("InvalidRequest", "You have exceeded the maximum number of refreshes per day.")
            ending = self.endings.pop(0) if self.endings else Ending()
            refresh = self.begin("ViaEnhancedApi" if enhanced else "ViaApi", ending)
        headers = {}
        if self.ids == "header":
            headers["x-ms-request-id" if enhanced else "RequestId"] = refresh.refresh_id
            if enhanced:
                headers["Location"] = f"{self.url}/v1.0/myorg/x/refreshes/{refresh.refresh_id}"
        elif self.ids == "foreign":
            headers["RequestId"] = str(uuid.uuid4())
        return 202, headers, None

    def _history(self) -> tuple[int, dict[str, str], Any]:
        now = time.time()
        listed = [one for one in self.started if one.listed_from <= now]
        return 200, {}, {"value": [self._entry(one, now) for one in reversed(listed)]}

    def _entry(self, refresh: FakeRefresh, now: float) -> dict[str, Any]:
        row: dict[str, Any] = {
            "refreshType": refresh.refresh_type, "startTime": iso(refresh.started + refresh.skew_s),
            "status": refresh.status(now),
        }  # fmt: skip
        if refresh.has_id:
            row["requestId"] = refresh.refresh_id
        if refresh.over(now):
            row["endTime"] = iso(refresh.ends_at() + refresh.skew_s)
            if refresh.ending.exception and row["status"] == "Failed":
                row["serviceExceptionJson"] = json.dumps(refresh.ending.exception)
        return row

    def _details(self, refresh_id: str) -> tuple[int, dict[str, str], Any]:
        now = time.time()
        for one in self.started:
            if one.refresh_id == refresh_id and one.refresh_type == "ViaEnhancedApi" and one.listed_from <= now:
                status = one.status(now)
                row: dict[str, Any] = {
                    "startTime": iso(one.started), "type": "Full", "commitMode": "Transactional",
                    "status": "Unknown" if status == "Cancelled" else status,
                    "extendedStatus": one.ending.extended or ("InProgress" if status == "Unknown" else status),
                }  # fmt: skip
                if not one.over(now):
                    row["extendedStatus"] = "InProgress"
                    return 202, {}, row
                row["endTime"] = iso(one.ends_at())
                if one.ending.exception and status == "Failed":
                    row["messages"] = [
                        {
                            "code": "0xC11C0020",
                            "message": one.ending.exception.get("message", one.ending.exception["errorCode"]),
                            "type": "Error",
                        }
                    ]
                return 200, {}, row
        return 404, {}, error("PowerBIEntityNotFound", "")

    def _cancel(self, refresh_id: str) -> tuple[int, dict[str, str], Any]:
        for one in self.started:
            if one.refresh_id == refresh_id and one.refresh_type == "ViaEnhancedApi":
                one.cancelled_at = time.time() + 0.05
                return 200, {}, None
        return 404, {}, error("PowerBIEntityNotFound", "")

    def _embed_token(self, body: Any) -> tuple[int, dict[str, str], Any]:
        datasets = {one["id"] for one in body.get("datasets", [])}
        if SECURED_DATASET in datasets and not body.get("identities"):
            return (
                400,
                {},
                error("InvalidRequest", "Creating embed token for accessing dataset requires effective identity."),
            )
        if SECURED_DATASET not in datasets and body.get("identities"):
            return 400, {}, error("InvalidRequest", "dataset shouldn't have effective identity")
        minutes = body.get("lifetimeInMinutes") or 60
        expiration = iso(time.time() + 60 * minutes)
        return (
            200,
            {},
            {"token": "H4s-embed-" + uuid.uuid4().hex, "tokenId": str(uuid.uuid4()), "expiration": expiration},
        )

    def _export(self, report_id: str, body: Any) -> tuple[int, dict[str, str], Any]:
        if body["format"] == "XLSX" and report_id != PAGINATED_REPORT:
            return 400, {}, error("BadRequest", "XLSX is only supported for paginated reports")
        job = {
            "id": "MS9C-" + uuid.uuid4().hex,
            "plan": self.export_plan.pop(0) if self.export_plan else "Succeeded",
            "asked": 0,
        }
        self.exports[str(job["id"])] = job
        return 202, {}, self._job(job, "NotStarted", report_id)

    def _export_status(self, job_id: str) -> tuple[int, dict[str, str], Any]:
        job = self.exports.get(job_id)
        if job is None:
            return 404, {}, error("ExportNotFound", "")
        job["asked"] += 1
        if job["asked"] == 1:
            return 202, {"Retry-After": "0"}, self._job(job, "Running", REPORT)
        if job["plan"] == "Retry":
            return 200, {"Retry-After": "0"}, self._job(job, "Failed", REPORT)
        return 200, {}, self._job(job, str(job["plan"]), REPORT)

    def _job(self, job: dict[str, Any], status: str, report_id: str) -> dict[str, Any]:
        done = 100 if status == "Succeeded" else 40
        return {
            "id": job["id"], "status": status, "percentComplete": done, "reportId": report_id,
            "ResourceFileExtension": ".pdf", "createdDateTime": iso(time.time()),
        }  # fmt: skip

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path, _, query = self.path.partition("?")
                path = path.removeprefix("/v1.0/myorg")
                fake.calls.append((self.command, path))
                if time.time() < fake.down_until:
                    self._drop()
                    return
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                fake.tokens_seen.add(token)
                try:
                    fake.verify(token)
                    bad = token in fake.revoked
                except jwt.PyJWTError:
                    bad = True
                if bad:
                    self._answer(401, {}, error("TokenExpired", "Access token has expired, resubmit with a new one"))
                    return
                fault = self._fault(path)
                if fault is not None:
                    if fault.acts:
                        fake.answer(self.command, path, query, body)
                    time.sleep(fault.delay_s)
                    if fault.drop:
                        self._drop()
                    else:
                        self._answer(fault.status, fault.headers, fault.body)
                    return
                fake.bodies.append((path, body))
                self._answer(*fake.answer(self.command, path, query, body))

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the names are the library's

            def _fault(self, path: str) -> Fault | None:
                with fake.lock:
                    for fault in fake.faults:
                        if fault.method == self.command and re.search(fault.path, path):
                            fault.times -= 1
                            if fault.times <= 0:
                                fake.faults.remove(fault)
                            return fault
                return None

            def _drop(self) -> None:
                self.close_connection = True
                self.connection.shutdown(2)

            def _answer(self, status: int, headers: dict[str, str], body: Any) -> None:
                raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                self.send_response_only(status)
                self.send_header("Date", formatdate(time.time(), usegmt=True))
                # No type on an empty answer: a validating proxy would look for JSON in it.
                if raw and "Content-Type" not in headers:
                    self.send_header("Content-Type", "application/json; charset=utf-8")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def running_powerbi(verify: Callable[[str], Any]) -> Iterator[PowerBiFake]:
    fake = PowerBiFake(verify)
    try:
        yield fake
    finally:
        fake.close()


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def iso(seconds: float) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def dataset(dataset_id: str) -> dict[str, Any]:
    secured = dataset_id == SECURED_DATASET
    return {
        "id": dataset_id, "name": "Secured" if secured else "Grid", "isRefreshable": True,
        "isEffectiveIdentityRequired": secured, "isEffectiveIdentityRolesRequired": secured,
        "webUrl": f"https://app.powerbi.com/groups/{WORKSPACE}/datasets/{dataset_id}",
    }  # fmt: skip


def report(report_id: str) -> dict[str, Any]:
    return {
        "id": report_id,
        "name": {REPORT: "Load", PAGINATED_REPORT: "Invoice", SECURED_REPORT: "Load by region"}[report_id],
        "datasetId": SECURED_DATASET if report_id == SECURED_REPORT else DATASET,
        "reportType": "PaginatedReport" if report_id == PAGINATED_REPORT else "PowerBIReport",
        "embedUrl": f"https://app.powerbi.com/reportEmbed?reportId={report_id}&groupId={WORKSPACE}",
        "webUrl": f"https://app.powerbi.com/groups/{WORKSPACE}/reports/{report_id}",
    }
