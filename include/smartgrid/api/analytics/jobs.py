"""Requests that run as jobs: a folder each, and a run of the DAG `mine_on_request`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from smartgrid.api.analytics.airflow_runs import AirflowRuns
from smartgrid.api.analytics.answers import Job
from smartgrid.api.analytics.faults import Unavailable
from smartgrid.api.analytics.limits import AnalyticsLimits
from smartgrid.errors import SmartGridError
from smartgrid.lake.files import write_bytes
from smartgrid.mining.request_files import JOB_ID, REFUSAL, REQUEST, RESULT

RECORD, CANCELLED = "job.json", "cancelled"
LISTED = 50


class NoSuchJob(SmartGridError):
    """There is no job of this id, or it was removed."""

    exit_code = 2

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"There is no job {job_id}. Jobs are removed some days after they were made.")


class JobEnded(SmartGridError):
    """A job that ended cannot be cancelled."""

    exit_code = 2

    def __init__(self, job_id: str, status: str) -> None:
        self.job_id, self.status = job_id, status
        super().__init__(f"The job {job_id} ended already: {status}.")


class _Record(BaseModel):
    """What is kept of a job beside its request and result."""

    method: str
    created_at: datetime
    created_by: str


class Jobs:
    """The jobs in `folder`."""

    def __init__(self, folder: Path, runs: AirflowRuns, limits: AnalyticsLimits) -> None:
        self._folder, self._runs, self._limits = folder, runs, limits

    async def submit(self, method: str, request: bytes, caller: str, token: str) -> Job:
        """Store the request and start its run. `request` is the JSON of the validated body.

        Raises:
            Unavailable: too many jobs are unfinished, or Airflow does not take it.
        """
        now = datetime.now(UTC)
        self._remove_old(now)
        unfinished = sum(1 for job_id in self._ids() if self._ended(job_id) is None)
        if unfinished >= self._limits.unfinished_jobs:
            raise Unavailable(f"{unfinished} jobs are unfinished; wait for one, or cancel one.", 429, 30)
        job_id = f"mine-{uuid.uuid4().hex}"
        folder = self._folder / job_id
        task = b'{"method":' + json.dumps(method).encode() + b',"request":' + request + b"}"
        record = _Record(method=method, created_at=now, created_by=caller)
        # In a thread: writing waits for the disk.
        await asyncio.to_thread(write_bytes, str(folder / REQUEST), task)
        await asyncio.to_thread(write_bytes, str(folder / RECORD), record.model_dump_json().encode())
        try:
            await self._runs.start(job_id, {"job_id": job_id, "sha256": hashlib.sha256(task).hexdigest()}, token)
        except SmartGridError:
            # Nobody knows its id.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self._job(job_id, record, "queued")

    async def get(self, job_id: str, token: str) -> Job:
        """The job as it is now.

        Raises:
            NoSuchJob. Unavailable: Airflow, which knows whether it runs, does not answer.
        """
        record = self._record(job_id)
        status = self._ended(job_id)
        if status is None:
            state = await self._runs.state(job_id, token)
            # It may have ended in between; and a run that was removed in Airflow will never end.
            status = self._ended(job_id) or {"queued": "queued", "running": "running"}.get(state or "", "failed")
        return self._job(job_id, record, status)

    async def cancel(self, job_id: str, token: str) -> Job:
        """End an unfinished job. Cancelling it twice is no error.

        Raises:
            NoSuchJob, JobEnded, Unavailable
        """
        record = self._record(job_id)
        job = await self.get(job_id, token)
        if job.status in ("succeeded", "failed"):
            raise JobEnded(job_id, job.status)
        await self._runs.end(job_id, token)
        write_bytes(str(self._folder / job_id / CANCELLED), b"")
        return self._job(job_id, record, self._ended(job_id) or "cancelled")

    async def newest(self, token: str) -> list[Job]:
        """The newest jobs, newest first."""
        records = [(self._record(job_id), job_id) for job_id in self._ids()]
        newest = sorted(records, key=lambda pair: pair[0].created_at, reverse=True)[:LISTED]
        return [await self.get(job_id, token) for _, job_id in newest]

    def result_file(self, job_id: str) -> Path:
        return self._folder / job_id / RESULT

    def _ids(self) -> Iterator[str]:
        if self._folder.is_dir():
            yield from (path.name for path in self._folder.iterdir() if (path / RECORD).is_file())

    def _record(self, job_id: str) -> _Record:
        path = self._folder / job_id / RECORD
        if not JOB_ID.match(job_id) or not path.is_file():
            raise NoSuchJob(job_id)
        return _Record.model_validate_json(path.read_bytes())

    def _ended(self, job_id: str) -> str | None:
        """The final status, as far as the files say it."""
        folder = self._folder / job_id
        if (folder / RESULT).exists():
            return "succeeded"
        if (folder / CANCELLED).exists():
            return "cancelled"
        return "failed" if (folder / REFUSAL).exists() else None

    def _job(self, job_id: str, record: _Record, status: str) -> Job:
        error = None
        if status == "failed":
            refusal = self._folder / job_id / REFUSAL
            error = (
                json.loads(refusal.read_bytes())
                if refusal.exists()
                else {"message": f"The run {job_id} of mine_on_request failed; its log in Airflow says why."}
            )
        return Job.model_validate({"id": job_id, "status": status, "error": error, **record.model_dump()})

    def _remove_old(self, now: datetime) -> None:
        """Remove jobs, and their data, that were made some days ago."""
        for job_id in list(self._ids()):
            if now - self._record(job_id).created_at > timedelta(days=self._limits.job_days):
                shutil.rmtree(self._folder / job_id, ignore_errors=True)
