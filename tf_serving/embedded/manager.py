"""Keeps what is served equal to what is on disk, without ever leaving a model unserved in between.

Each poll compares the version directories with what is loaded, loads what is missing and only then unloads what is
no longer wanted. A version that cannot be loaded never replaces one that can.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from tf_serving.embedded.model_config import ModelConfig
from tf_serving.embedded.servable import M, Servable
from tf_serving.embedded.serving_map import ServedModel, ServingMap
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.versions import State, VersionStatus, fingerprint, versions_on_disk, wanted_versions

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Failure:
    """Attempts to load a version as it was on disk."""

    seen: tuple[tuple[str, int, int], ...]
    attempts: int
    next_try_at: float


@dataclass
class _ModelState(Generic[M]):
    """What the polling thread knows of one model; nobody else touches it."""

    config: ModelConfig
    loaded: dict[int, Servable[M]] = field(default_factory=dict)
    failures: dict[int, _Failure] = field(default_factory=dict)
    base_path_missing: bool = False


class Manager(Generic[M]):
    """Loads, swaps and unloads versions. `load` turns a version directory into a model or raises ServingError."""

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        load: Callable[[Path], M],
        *,
        max_retries: int = 5,
        retry_interval_s: float = 60.0,
    ) -> None:
        self._load = load
        self._max_attempts = 1 + max(0, max_retries)
        self._retry_interval_s = retry_interval_s
        self._models: dict[str, _ModelState[M]] = {config.name: _ModelState(config) for config in configs}
        self._map: ServingMap[M] = ServingMap()
        self._statuses: dict[str, dict[int, VersionStatus]] = {config.name: {} for config in configs}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._poller: threading.Thread | None = None
        self._unloaders: list[threading.Thread] = []

    # --- what requests use

    @contextmanager
    def lease(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[Servable[M]]:
        """The version that answers a request, held open until the block ends.

        Raises:
            ServingError: no such model, version or label is served.
        """
        while True:
            servable = self._map.find(name, version, label)
            if servable.acquire():
                break
        try:
            yield servable
        finally:
            servable.release()

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """States of the versions seen so far, newest first; ended ones stay listed.

        Raises:
            ServingError: NOT_FOUND.
        """
        with self._lock:
            known = dict(self._statuses.get(name, {}))
        if not known:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        if version is None:
            return [known[number] for number in sorted(known, reverse=True)]
        if version not in known:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        return [known[version]]

    # --- life

    def start(self, poll_interval_s: float) -> None:
        """Poll in a thread of its own. 0 and less: the poll done before was the only one."""
        if poll_interval_s <= 0:
            return
        self._poller = threading.Thread(target=self._poll_forever, args=(poll_interval_s,), name="poll", daemon=True)
        self._poller.start()

    def stop(self) -> None:
        """Stop polling and close every model after its last request."""
        self._stop.set()
        if self._poller is not None:
            self._poller.join()
        for state in self._models.values():
            for version in list(state.loaded):
                self._unload(state, version)
        for thread in self._unloaders:
            thread.join()

    def _poll_forever(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            try:
                self.poll()
            except Exception:
                # A defect in one poll must not end all later ones.
                log.exception("polling failed; the models loaded so far go on serving")

    def poll(self) -> None:
        """Make what is served equal to what is on disk, as far as it loads."""
        for state in self._models.values():
            on_disk = self._list(state)
            if on_disk is not None:
                self._reconcile(state, on_disk)

    # --- one model

    def _list(self, state: _ModelState[M]) -> dict[int, Path] | None:
        """None: nothing can be said now. What is loaded goes on serving (an unmounted disk is no wish to unload)."""
        try:
            on_disk = versions_on_disk(state.config.base_path)
        except OSError as error:
            if not state.base_path_missing:
                log.warning("model %s: waiting for its base path: %s", state.config.name, error)
            state.base_path_missing = True
            return None
        state.base_path_missing = False
        return on_disk

    def _reconcile(self, state: _ModelState[M], on_disk: dict[int, Path]) -> None:
        for version in set(state.failures) - set(on_disk):
            del state.failures[version]
        while (due := self._next_to_load(state, on_disk)) is not None:
            self._try_load(state, due, on_disk[due])
        wanted = wanted_versions(state.config.policy, on_disk, state.failures)
        if wanted and not wanted & set(state.loaded):
            return  # nothing wanted is ready: what is served stays
        for version in sorted(set(state.loaded) - wanted):
            self._unload(state, version)

    def _next_to_load(self, state: _ModelState[M], on_disk: dict[int, Path]) -> int | None:
        wanted = wanted_versions(state.config.policy, on_disk, state.failures)
        for version in sorted(wanted - set(state.loaded), reverse=True):
            failure = state.failures.get(version)
            if failure is None or self._try_again(failure, on_disk[version]):
                return version
        return None

    def _try_again(self, failure: _Failure, folder: Path) -> bool:
        if failure.attempts < self._max_attempts and time.monotonic() >= failure.next_try_at:
            return True
        if fingerprint(folder) == failure.seen:
            return False
        failure.attempts = 0  # somebody repaired or completed it
        return True

    def _try_load(self, state: _ModelState[M], version: int, folder: Path) -> None:
        name, started = state.config.name, time.monotonic()
        seen = fingerprint(folder)
        self._report(name, VersionStatus(version, State.LOADING))
        try:
            model = self._load(folder)
        except ServingError as error:
            earlier = state.failures.get(version)
            attempts = 1 + (earlier.attempts if earlier else 0)
            state.failures[version] = _Failure(seen, attempts, time.monotonic() + self._retry_interval_s)
            if attempts >= self._max_attempts:
                self._report(name, VersionStatus(version, State.END, error.code, error.message))
            log.error(
                "model %s version %d: load failed (attempt %d of %d): %s",
                name, version, attempts, self._max_attempts, error,
            )  # fmt: skip
            return
        state.failures.pop(version, None)
        state.loaded[version] = Servable(name, version, model)
        self._publish(state)
        self._report(name, VersionStatus(version, State.AVAILABLE))
        log.info("model %s version %d: available after %.2f s", name, version, time.monotonic() - started)

    def _unload(self, state: _ModelState[M], version: int) -> None:
        name = state.config.name
        servable = state.loaded.pop(version)
        self._report(name, VersionStatus(version, State.UNLOADING))
        self._publish(state)
        # In a thread: a long request on the old version must not hold up the next poll.
        thread = threading.Thread(target=self._close, args=(servable,), name=f"unload-{version}", daemon=True)
        thread.start()
        self._unloaders = [*(other for other in self._unloaders if other.is_alive()), thread]

    def _close(self, servable: Servable[M]) -> None:
        servable.retire()
        with self._lock:
            # The same version may have come back meanwhile; then its new state stands.
            if self._statuses[servable.name][servable.version].state is State.UNLOADING:
                self._statuses[servable.name][servable.version] = VersionStatus(servable.version, State.END)
        log.info("model %s version %d: unloaded", servable.name, servable.version)

    def _publish(self, state: _ModelState[M]) -> None:
        self._map = self._map.replace(state.config.name, ServedModel(dict(state.loaded), dict(state.config.labels)))

    def _report(self, name: str, status: VersionStatus) -> None:
        with self._lock:
            self._statuses[name][status.version] = status
