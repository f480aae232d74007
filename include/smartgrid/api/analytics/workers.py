"""A small pool of warm processes that do the mining: this environment has none of its libraries."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from smartgrid.api.analytics.faults import Unavailable
from smartgrid.api.analytics.limits import MB
from smartgrid.errors import SmartGridError
from smartgrid.settings import Settings

log = logging.getLogger(__name__)

_LENGTH = struct.Struct(">Q")
_LOOK_S = 0.2
# A worker needs to find its libraries and the lake. Keys of Airflow and passwords of databases are not among these.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_PASSED_ON_PREFIXES = ("AWS_", "SG_PLATFORM_", "OMP_", "OPENBLAS_")


class OutOfTime(SmartGridError):
    """The work was not done in the seconds that an answer may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"Not done in {seconds:g} s.")


class WorkerEnded(SmartGridError):
    """The process ended during the work, and nobody here killed it."""

    def __init__(self, exit_code: int) -> None:
        self.code = exit_code
        super().__init__(f"A mining worker ended with exit code {exit_code} during its work.")


class NoWorkers(SmartGridError):
    """Workers cannot be started on this machine."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"No mining worker can be started: {reason}.")


@dataclass(frozen=True)
class Answered:
    """`refusal` is None, or what is wrong: kind, field, limit, message. `body` is JSON."""

    body: bytes
    refusal: dict[str, str] | None


def worker_environment(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a worker may see: of this process's environment, and of its settings."""
    inherited = {
        name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return inherited | {"SMARTGRID_HOME": str(settings.home), "SMARTGRID_LAKE_URL": settings.lake_root}


class Worker:
    """One warm process. It does one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._warm = self._killed = False

    @classmethod
    async def start(cls, settings: Settings, timeout_s: float) -> Worker:
        """Start a worker and wait until it is warm.

        Raises:
            NoWorkers: it did not start.
        """
        python = settings.step_python
        try:
            process = await asyncio.create_subprocess_exec(
                str(python), "-m", "smartgrid.mining.worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=worker_environment(settings),
            )  # fmt: skip
        except OSError as error:
            raise NoWorkers(f"{python}: {error.strerror}") from None
        worker = cls(process)
        try:
            await asyncio.wait_for(worker._receive(), timeout_s)
        except asyncio.IncompleteReadError:
            raise NoWorkers(f"{python} ended with exit code {await process.wait()}; its log says why") from None
        except TimeoutError:
            raise NoWorkers(f"{python} was not ready after {timeout_s:g} s") from None
        finally:
            if not worker._warm:
                worker.kill()
                await process.wait()
        return worker

    @property
    def alive(self) -> bool:
        # Of a process that was just killed, the exit code is known a little later.
        return self._process.returncode is None and not self._killed

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def memory_bytes(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def kill(self) -> None:
        self._killed = True
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> int:
        return await self._process.wait()

    async def ask(self, method: str, request: bytes, seconds: float, memory_bytes: int) -> Answered:
        """The answer to one request. A worker that takes too long, or too much, is killed.

        Raises:
            OutOfTime. WorkerEnded. Unavailable: it was killed for its memory.
        """
        work = asyncio.ensure_future(self._exchange(method, request))
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=min(_LOOK_S, max(0.0, ends - loop.time())))
                if work.done():
                    break
                if loop.time() >= ends:
                    raise OutOfTime(seconds)
                if self.memory_bytes > memory_bytes:
                    log.warning("killed mining worker %d: it held more than %d MB", self.pid, memory_bytes // MB)
                    raise Unavailable(
                        f"The work needs more than the {memory_bytes // MB} MB that an answer may take. Send it as a "
                        "job (header `Prefer: respond-async`), or send less data."
                    )
            return work.result()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise WorkerEnded(await self._process.wait()) from None
        finally:
            if not work.done() or work.cancelled() or work.exception() is not None:
                # Whatever happened, its pipe is now in the middle of a message.
                work.cancel()
                self.kill()

    async def _exchange(self, method: str, request: bytes) -> Answered:
        assert self._process.stdin is not None
        frame = b'{"method":' + json.dumps(method).encode() + b',"request":' + request + b"}"
        self._process.stdin.write(_LENGTH.pack(len(frame)) + frame)
        await self._process.stdin.drain()
        head, body = await self._receive()
        if head["ok"]:
            return Answered(body, None)
        told = {name: str(head[name]) for name in ("kind", "field", "limit")}
        return Answered(b"", told | {"message": json.loads(body)})

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdout is not None
        parts = []
        for _ in range(2):
            length = _LENGTH.unpack(await self._process.stdout.readexactly(_LENGTH.size))[0]
            parts.append(await self._process.stdout.readexactly(length))
        self._warm = True
        return json.loads(parts[0]), parts[1]
