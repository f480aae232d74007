"""Decides where a mining request is worked off: at once by a warm worker, or as a job."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from smartgrid.api.analytics.answers import Job
from smartgrid.api.analytics.faults import refusal
from smartgrid.api.analytics.jobs import Jobs
from smartgrid.api.analytics.limits import ANSWER_MEMORY_MB, AnalyticsLimits
from smartgrid.api.analytics.models import MiningRequest
from smartgrid.api.analytics.pool import WorkerPool
from smartgrid.api.analytics.workers import NoWorkers, OutOfTime
from smartgrid.mining.dataset_files import located
from smartgrid.mining.errors import MiningError
from smartgrid.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asker:
    """Who asks: the name for the record, the token for Airflow."""

    name: str
    token: str


@dataclass(frozen=True)
class Accepted:
    """A request that is well formed: `request` is JSON."""

    method: str
    request: bytes
    as_job: bool


class MiningService:
    """`settings` say where data and jobs are; `pool` and `jobs` do the work."""

    def __init__(self, settings: Settings, limits: AnalyticsLimits, pool: WorkerPool, jobs: Jobs) -> None:
        self.settings, self.limits, self.pool, self.jobs = settings, limits, pool, jobs

    def accept(self, method: str, asked: MiningRequest, *, as_job: bool) -> Accepted:
        """The request as the workers take it. The body's values are not needed any more, and may be large.

        Raises:
            Refused: the dataset that it names is none.
        """
        return Accepted(method, asked.as_json(), as_job or self._is_large(asked))

    async def mine(self, accepted: Accepted, asker: Asker) -> bytes | Job:
        """The result as JSON, or the job that will have it.

        Raises:
            Refused: with the field that is wrong. Unavailable, AirflowSaysNo.
        """
        if not accepted.as_job:
            try:
                answered = await self.pool.ask(accepted.method, accepted.request)
            except (OutOfTime, NoWorkers) as reason:
                log.info("%s as a job: %s", accepted.method, reason)
            else:
                if answered.refusal is not None:
                    raise refusal(**answered.refusal)
                return answered.body
        return await self.jobs.submit(accepted.method, accepted.request, asker.name, asker.token)

    def _is_large(self, asked: MiningRequest) -> bool:
        if asked.dataset is not None:
            try:
                file = located(asked.dataset.uri, self.settings)
            except MiningError as error:
                raise refusal(type(error).__name__, error.field, error.limit, str(error)) from None
            if file.size_bytes is None or file.size_bytes > self.limits.answer_file_bytes:
                return True
        return asked.memory_mb > ANSWER_MEMORY_MB or asked.values > self.limits.answer_values
