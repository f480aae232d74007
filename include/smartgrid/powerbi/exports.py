"""Exports of reports to files: started, asked for, kept. The state is in the store, so any process can answer."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from smartgrid.clock import wall_clock
from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.entities import ExportJob, Json, Report
from smartgrid.powerbi.errors import ExportFailed, ExportNotPossible, NotFound, Refused
from smartgrid.powerbi.workbook import write_workbook
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.powerbi_tables import PowerBiExport

FileFormat = Literal["PDF", "PPTX", "PNG", "XLSX"]
# What the service does itself, by kind of report.
BY_SERVICE: dict[bool, tuple[FileFormat, ...]] = {False: ("PDF", "PPTX", "PNG"), True: ("PDF", "PPTX", "XLSX")}
MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".png": "image/png",
    ".zip": "application/zip",
}
# The service asks for a repetition of exports that failed for a passing reason.
MOST_ATTEMPTS = 3
KEPT = timedelta(hours=24)


def start(
    client: PowerBiClient,
    report: Report,
    file_format: FileFormat,
    caller: str,
    identity: Json | None,
    queries: Mapping[str, str],
) -> PowerBiExport:
    """Begin an export; a workbook from `queries` is finished at once.

    Raises:
        ExportNotPossible: this report cannot be had in this format.
    """
    row = PowerBiExport(
        export_id=str(uuid.uuid4()),
        workspace_id=client.access.workspace_id,
        report_id=report.report_id,
        report_name=report.name,
        file_format=file_format,
        requested_by=caller,
        requested_at=wall_clock(),
        state="running",
        body={},
    )
    _forget_old_files()
    if file_format in BY_SERVICE[report.paginated]:
        row.body = _body(report, file_format, identity)
        row.job_id = client.start_export(report.report_id, row.body).job_id
    elif file_format == "XLSX":
        _write_workbook(client, report, row, identity, queries)
    else:
        possible = ", ".join(BY_SERVICE[report.paginated])
        raise ExportNotPossible(report.name, file_format, f"a paginated report is exported as {possible}.")
    with session() as transaction:
        transaction.add(row)
    return row


def look(client: PowerBiClient, row: PowerBiExport) -> PowerBiExport:
    """The export as it is now; the service is asked, the file fetched, a failure that passes repeated."""
    now = wall_clock()
    if row.state != "running" or (row.retry_at is not None and now < row.retry_at):
        return row
    assert row.job_id is not None
    job = client.export_job(row.report_id, row.job_id)
    row.percent = job.percent
    row.retry_at = now + timedelta(seconds=job.retry_after_s) if job.retry_after_s else None
    if job.status == "Succeeded":
        _fetch(client, row, job)
    elif job.status == "Failed":
        _failed(client, row, job)
    with session() as transaction:
        transaction.merge(row)
    return row


def find(export_id: str) -> PowerBiExport:
    """One export.

    Raises:
        NotFound
    """
    with session() as transaction:
        row = transaction.get(PowerBiExport, export_id)
    if row is None:
        raise NotFound("Export", 404, "", f"no export {export_id}.")
    return row


def file_of(row: PowerBiExport) -> Path:
    """The file of a finished export.

    Raises:
        ExportFailed: it has none.
    """
    if row.state == "failed":
        raise ExportFailed(row.export_id, row.detail)
    path = _folder() / (row.file_name or "-")
    if row.state != "succeeded" or not path.is_file():
        kept_h = KEPT.total_seconds() / 3600
        problem = (
            "not finished yet" if row.state == "running" else f"the file was kept for {kept_h:.0f} hours; export anew"
        )
        raise ExportFailed(row.export_id, problem)
    return path


def _body(report: Report, file_format: FileFormat, identity: Json | None) -> Json:
    body: Json = {"format": file_format}
    if identity is not None:
        name = "paginatedReportConfiguration" if report.paginated else "powerBIReportConfiguration"
        body[name] = {"identities": [identity]}
    return body


def _write_workbook(
    client: PowerBiClient, report: Report, row: PowerBiExport, identity: Json | None, queries: Mapping[str, str]
) -> None:
    if identity is not None:
        problem = "its dataset has row-level security, which queries of a service principal would not respect."
        raise ExportNotPossible(report.name, "XLSX", problem)
    if not queries or not report.dataset_id:
        problem = "it is not paginated; name what to put on the sheets with POWERBI_WORKBOOK_QUERIES."
        raise ExportNotPossible(report.name, "XLSX", problem)
    row.file_name = f"{row.export_id}.xlsx"
    _keep(row.file_name, [write_workbook(client, report.dataset_id, queries)])
    row.state, row.percent = "succeeded", 100


def _fetch(client: PowerBiClient, row: PowerBiExport, job: ExportJob) -> None:
    extension = (job.extension or f".{row.file_format}").lower()
    row.file_name = row.export_id + (extension if extension in MEDIA_TYPES else f".{row.file_format.lower()}")
    _keep(row.file_name, client.export_file(row.report_id, job.job_id))
    row.state, row.percent = "succeeded", 100


def _failed(client: PowerBiClient, row: PowerBiExport, job: ExportJob) -> None:
    if job.retry_after_s is None or row.attempts >= MOST_ATTEMPTS:
        tried = f" after {row.attempts} attempts" if row.attempts > 1 else ""
        row.state, row.detail = "failed", f"The service could not export the report{tried}."
        return
    try:
        row.job_id = client.start_export(row.report_id, row.body).job_id
    except Refused as error:
        row.state, row.detail = "failed", str(error)
        return
    row.attempts, row.percent = row.attempts + 1, 0


def _folder() -> Path:
    return get_settings().home / "powerbi" / "exports"


def _keep(name: str, chunks: Iterable[bytes]) -> None:
    """Write to a temporary name and rename: a half file is never served."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / name)
    finally:
        temporary.unlink(missing_ok=True)


def _forget_old_files() -> None:
    """Files of more than a day ago are gone at the service, too."""
    oldest = (wall_clock() - KEPT).timestamp()
    for path in _folder().glob("*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
