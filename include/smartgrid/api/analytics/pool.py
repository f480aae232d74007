"""Keeps mining workers alive and hands requests to them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from smartgrid.api.analytics.faults import Unavailable
from smartgrid.api.analytics.limits import MB, AnalyticsLimits
from smartgrid.api.analytics.workers import Answered, NoWorkers, Worker, WorkerEnded
from smartgrid.settings import Settings

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0


class WorkerPool:
    """One worker is kept warm from the start; the others start when they are first needed."""

    def __init__(self, settings: Settings, limits: AnalyticsLimits) -> None:
        self._settings, self._limits = settings, limits
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._more = asyncio.Event()
        self._alive: set[Worker] = set()
        self._keepers: list[asyncio.Task[None]] = []
        # Bytes of each request that waits.
        self._waiting: list[int] = []
        # Why no worker could be started, the last time that it was tried.
        self._problem: str | None = None

    def start(self) -> None:
        """Begin to start workers; returns at once."""
        self._keepers = [asyncio.create_task(self._keep(number)) for number in range(self._limits.workers)]

    async def stop(self) -> None:
        """End every worker, whatever it does."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    @property
    def workers(self) -> list[Worker]:
        return [worker for worker in self._alive if worker.alive]

    @property
    def busy(self) -> int:
        """How many workers work."""
        return len(self._alive) - self._idle.qsize()

    @property
    def state(self) -> str:
        """For people."""
        count = len(self.workers)
        if count:
            return f"{count} mining worker{'s' if count > 1 else ''}"
        return f"no mining worker: {self._problem}" if self._problem else "mining workers are starting"

    async def ask(self, method: str, request: bytes) -> Answered:
        """The answer of a worker. Work whose worker was killed from outside is done once more.

        Raises:
            OutOfTime: it took longer than an answer may. NoWorkers: none can be started. Unavailable.
        """
        try:
            return await self._ask(method, request)
        except WorkerEnded as ended:
            log.warning("%s It is tried once more.", ended)
        try:
            return await self._ask(method, request)
        except WorkerEnded as ended:
            raise Unavailable(f"{ended} So did the one before. Send less data, or send it as a job.") from None

    async def _ask(self, method: str, request: bytes) -> Answered:
        if len(self._waiting) >= self._limits.waiting or sum(self._waiting) > self._limits.waiting_bytes:
            raise Unavailable(f"{len(self._waiting)} requests wait for a mining worker already; try again.")
        self._waiting.append(len(request))
        try:
            worker = await self._take()
        finally:
            self._waiting.remove(len(request))
        try:
            return await worker.ask(method, request, self._limits.answer_s, self._limits.worker_memory_mb * MB)
        finally:
            if worker.memory_bytes > self._limits.worker_keep_mb * MB:
                worker.kill()
            if worker.alive:
                self._idle.put_nowait(worker)

    async def _take(self) -> Worker:
        """An idle worker, waiting for one as long as a start may take."""
        ends = asyncio.get_running_loop().time() + self._limits.worker_start_s
        while True:
            if self._idle.empty():
                self._more.set()
                if self._problem is not None and not self.workers:
                    raise NoWorkers(self._problem)
            try:
                worker = await asyncio.wait_for(self._idle.get(), 0.5)
            except TimeoutError:
                if asyncio.get_running_loop().time() > ends:
                    raise Unavailable("Every mining worker is busy; try again.") from None
                continue
            if worker.alive:
                return worker

    async def _keep(self, number: int) -> None:
        """Start worker `number` again and again, with growing pauses while it does not start."""
        pause_s = 1.0
        while True:
            if number > 0:
                await self._more.wait()
            try:
                worker = await Worker.start(self._settings, self._limits.worker_start_s)
            except NoWorkers as error:
                self._problem = error.reason
                log.error("%s", error)
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
                continue
            self._problem, pause_s = None, 1.0
            self._alive.add(worker)
            self._idle.put_nowait(worker)
            try:
                code = await worker.ended()
                log.info("mining worker %d ended with exit code %d", worker.pid, code)
            finally:
                self._alive.discard(worker)
                worker.kill()
                with suppress(asyncio.CancelledError):
                    await worker.ended()
