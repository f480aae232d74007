"""A place for one worker: whenever the one in it ends, another is started."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.worker_fleet import WorkerFleet
from tf_serving.embedded.worker_process import WorkerProcess

log = logging.getLogger(__name__)

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_STEADY_S = 10.0  # who has lived so long did not end because of how it was started
_NO_PROCESS = ServingError(Code.RESOURCE_EXHAUSTED, "The system starts no further process")


class WorkerSlot:
    """Pauses between two starts double while workers end soon. A worker that ends before the server has opened ends the
    server: `failure` says why."""

    def __init__(self, number: int, start_worker: Callable[[int], WorkerProcess], fleet: WorkerFleet) -> None:
        self.failure: ServingError | None = None
        self._number, self._start_worker, self._fleet = number, start_worker, fleet
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._worker: WorkerProcess | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)

    def start(self) -> None:
        """Start the first worker."""
        self._thread.start()

    def drain(self) -> None:
        """Let the worker end, and start no other."""
        with self._lock:
            self._stopping.set()
            if self._worker is not None:
                self._worker.drain()

    def join(self, timeout_s: float) -> None:
        """Wait until the worker has ended; after `timeout_s` it is killed."""
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self._worker is not None:
            log.error("%s has not ended after %.0f s: it is killed", self._worker, timeout_s)
            self._worker.kill()
            self._thread.join()

    def _run(self) -> None:
        pause_s = _SHORTEST_PAUSE_S
        while True:
            began = time.monotonic()
            with self._lock:
                if self._stopping.is_set():
                    return
                worker = self._worker = self._begin()
            problem = self._live(worker) if worker is not None else _NO_PROCESS
            if self._stopping.is_set():
                return
            if not self._fleet.is_open:
                self.failure = problem
                return
            if time.monotonic() - began > _STEADY_S:
                pause_s = _SHORTEST_PAUSE_S
            log.error("%s; another is started in %.1f s", problem.message, pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _begin(self) -> WorkerProcess | None:
        try:
            return self._start_worker(self._number)
        except OSError:
            log.exception("worker %d", self._number)
            return None

    def _live(self, worker: WorkerProcess) -> ServingError:
        """From its start to its end; why it ended."""
        problem = None
        try:
            worker.wait_prepared()
            self._fleet.admit(worker)
            log.info("%s is ready", worker)
        except (ServingError, TimeoutError) as error:
            problem = error if isinstance(error, ServingError) else ServingError(Code.INTERNAL, f"{worker} hangs")
            worker.kill()
        how = worker.wait()
        self._fleet.dismiss(worker)
        return problem or ServingError(Code.INTERNAL, f"{worker} has ended with {how}")
