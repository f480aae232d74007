"""All workers as one: what is loaded is loaded in each, what is shown is shown by each, before anybody is told."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_serving.embedded.control_channel import ChannelClosed
from tf_serving.embedded.metrics_sum import MetricsSum
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.worker_process import WorkerProcess

log = logging.getLogger(__name__)

_HUNG_S = 15.0  # a worker that is alive answers small questions in milliseconds
_SCRAPE_S = 2.0


@dataclass(frozen=True)
class FleetVersion:
    """A version that is loaded in all workers: the model, as the parent's manager knows it."""

    number: int
    folder: Path
    fleet: WorkerFleet

    def close(self) -> None:
        """Close it in all workers, after the last request of each."""
        self.fleet.close(self)


class WorkerFleet:
    """The workers that have everything loaded. `picture` gives what requests find: `names` and `models`."""

    def __init__(self) -> None:
        self.metrics = MetricsSum()
        self.picture: Callable[[], dict[str, Any]] = lambda: {"names": [], "models": {}}
        self._changed = threading.Condition()
        self._members: list[WorkerProcess] = []
        self._loaded: dict[int, FleetVersion] = {}
        self._numbers = itertools.count(1)
        self._open = self._stopping = False

    # --- what the manager does

    def load(self, folder: Path) -> FleetVersion:
        """Load a version in every worker: first in one, so that a model that brings its process down ends only one.

        Raises:
            ServingError: it cannot be loaded in one; then it is loaded in none.
        """
        version = FleetVersion(next(self._numbers), folder, self)
        having: list[WorkerProcess] = []
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._living() or self._stopping)
                if self._stopping:
                    raise ServingError(Code.CANCELLED, "The server is stopping")
                missing = [worker for worker in self._living() if worker not in having]
                if not missing:
                    self._loaded[version.number] = version
                    return version
            having += self._load_in(missing if having else missing[:1], version, having)

    def _load_in(
        self, workers: Sequence[WorkerProcess], version: FleetVersion, having: Sequence[WorkerProcess]
    ) -> list[WorkerProcess]:
        asked = _ask_all(workers, "load", [version.number, str(version.folder)])
        problem: ServingError | None = None
        loaded = []
        for worker, answer in asked:
            try:
                answer.result()
                loaded.append(worker)
            except ChannelClosed:
                # The version is not to blame where another worker has loaded it already, or this one did not answer.
                if not having and not worker.hung:
                    problem = ServingError(Code.INTERNAL, f"{worker} ended while it loaded {version.folder}")
            except ServingError as error:
                problem = problem or error
        if problem is not None:
            _wait(_ask_all([*having, *loaded], "close", version.number))
            raise problem
        return loaded

    def _living(self) -> list[WorkerProcess]:
        return [worker for worker in self._members if not worker.gone.is_set()]

    def close(self, version: FleetVersion) -> None:
        """Close a version that is shown no more, in every worker."""
        with self._changed:
            self._loaded.pop(version.number, None)
            members = list(self._members)
        _wait(_ask_all(members, "close", version.number))

    def publish(self) -> None:
        """Show the picture of this moment in every worker; returns when all do."""
        with self._changed:
            _wait_or_kill(_ask_all(self._members, "show", self.picture()))

    # --- workers come and go

    def admit(self, worker: WorkerProcess) -> None:
        """Bring a worker to where the others are, then let it take requests.

        Raises:
            ServingError: it cannot load what the others have, or cannot listen.
        """
        loaded: dict[int, FleetVersion] = {}
        while True:
            with self._changed:
                missing = [version for number, version in self._loaded.items() if number not in loaded]
                if not missing:
                    worker.channel.ask("show", self.picture(), _HUNG_S)
                    self._members.append(worker)
                    self.metrics.join(worker)
                    surplus = [number for number in loaded if number not in self._loaded]
                    opened = self._open
                    self._changed.notify_all()
                    break
            for version in missing:
                worker.channel.ask("load", [version.number, str(version.folder)])
                loaded[version.number] = version
        for number in surplus:
            worker.channel.ask("close", number)
        if opened:
            worker.channel.ask("open")

    def dismiss(self, worker: WorkerProcess) -> None:
        """A worker has ended."""
        with self._changed:
            if worker in self._members:
                self._members.remove(worker)
                self.metrics.leave(worker)

    def wait_for_workers(self, count: int, still_wanted: Callable[[], bool]) -> None:
        """Until `count` are there, or `still_wanted` is false."""
        with self._changed:
            while len(self._members) < count and still_wanted():
                self._changed.wait(0.1)

    def open(self) -> None:
        """Let all workers take requests, now and whoever comes later.

        Raises:
            ServingError: one cannot listen.
        """
        with self._changed:
            self._open = True
            asked = _ask_all(self._members, "open")
        for _, answer in asked:
            answer.result()

    @property
    def is_open(self) -> bool:
        """Whether requests are taken."""
        return self._open

    def stop(self) -> None:
        """Nobody waits for workers any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    # --- what is true of all

    def metrics_text(self) -> str:
        """The sums over all workers, those that have ended too. One that does not answer soon counts as it last did."""
        self._count(_SCRAPE_S)
        return self.metrics.text()

    def check(self) -> None:
        """Note what each has counted, lest it be lost with it, and kill those that do not answer at all."""
        for worker in self._count(_HUNG_S):
            log.error("%s has not answered for %.0f s: it is killed", worker, _HUNG_S)
            worker.hung = True
            worker.kill()

    def _count(self, patience_s: float) -> list[WorkerProcess]:
        with self._changed:
            members = list(self._members)
        silent = []
        deadline = time.monotonic() + patience_s
        for worker, answer in _ask_all(members, "metrics"):
            try:
                self.metrics.note(worker, *answer.result(max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                silent.append(worker)
            except ServingError:
                log.debug("%s has ended", worker)
        return silent


def _ask_all(
    workers: Sequence[WorkerProcess], question: str, body: Any = None
) -> list[tuple[WorkerProcess, Future[Any]]]:
    return [(worker, worker.channel.begin(question, body)) for worker in workers]


def _wait(asked: Sequence[tuple[WorkerProcess, Future[Any]]]) -> None:
    for worker, answer in asked:
        try:
            answer.result()
        except ServingError as error:
            log.debug("%s: %s", worker, error)  # ended, and with it what was to be done


def _wait_or_kill(asked: Sequence[tuple[WorkerProcess, Future[Any]]]) -> None:
    deadline = time.monotonic() + _HUNG_S
    for worker, answer in asked:
        try:
            answer.result(max(0.0, deadline - time.monotonic()))
        except ChannelClosed:
            log.debug("%s has ended", worker)
        except (ServingError, TimeoutError) as error:
            # It would go on answering by an older picture: none is better than a wrong one.
            log.error("%s is killed, it does not follow: %s", worker, error or "no answer")
            worker.kill()
            worker.gone.wait()
