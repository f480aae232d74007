"""Keeps what is served equal to what is on disk and configured, without leaving a model unserved in between.

A thread looks at the disk and starts work where there is some: each model's steps run in order in a thread of their
own, so that a slow load of one model delays no other. Requests read an immutable map, which a swap replaces.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Generic

from tf_serving.embedded.labels import checked_labels
from tf_serving.embedded.lifecycle import Failure, Lifecycle
from tf_serving.embedded.memory import release_freed_memory
from tf_serving.embedded.model_config import ModelConfig
from tf_serving.embedded.model_statuses import ModelStatuses
from tf_serving.embedded.request_log_settings import RequestLogSettings
from tf_serving.embedded.servable import M, Servable
from tf_serving.embedded.serving_map import Lease, ServedModel, ServingMap
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.versions import Fingerprint, State, VersionStatus, fingerprint

log = logging.getLogger(__name__)

_FIRST_LOADS_AT_ONCE = 4
_UNLOAD_S = 10.0


class Manager(Generic[M]):
    """Loads, swaps and unloads versions. `load` turns a version directory into a model or raises ServingError.
    `published` is called after every change of what requests find, before the change is reported.
    """

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        load: Callable[[Path], M],
        *,
        max_retries: int = 5,
        retry_interval_s: float = 60.0,
        load_threads: int = 0,
        allow_labels_for_unavailable: bool = False,
        fall_back: bool = False,
        published: Callable[[], None] = lambda: None,
    ) -> None:
        self._load, self._published = load, published
        self._max_attempts = 1 + max(0, max_retries)
        self._retry_interval_s = retry_interval_s
        self._allow_labels, self._fall_back = allow_labels_for_unavailable, fall_back
        self._models: dict[str, Lifecycle[M]] = {}
        self._map: ServingMap[M] = ServingMap()
        self._labels: dict[str, dict[str, int]] = {}
        self._statuses = ModelStatuses()
        self._map_lock = threading.Lock()
        self._config_lock = threading.Lock()
        self._first_loads = threading.BoundedSemaphore(_FIRST_LOADS_AT_ONCE)
        self._loads = threading.BoundedSemaphore(max(1, load_threads))
        self._started = False
        self._poll_interval_s = 0.0
        self._stop, self._wake, self._look_asked = threading.Event(), threading.Event(), threading.Event()
        self._poller: threading.Thread | None = None
        self._threads: list[threading.Thread] = []
        self._configure(configs)

    # --- what requests use

    def lease(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable[M]]:
        """The version that answers a request, held open until the block ends.

        Raises:
            ServingError: no such model, version or label is served; on entering the block.
        """
        return Lease(lambda: self._map.find(name, version, label))

    def available(self, name: str) -> Collection[Servable[M]]:
        """The versions that answer requests now; without a lease one may close at any time."""
        return self._map.available(name)

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """States of the versions seen so far, newest first; ended ones stay listed.

        Raises:
            ServingError: NOT_FOUND.
        """
        return self._statuses.of(name, version)

    def serving(self) -> ServingMap[M]:
        """All that answers requests now."""
        return self._map

    def model_names(self) -> Collection[str]:
        """The models of the configuration."""
        return self._models.keys()

    def request_log(self, name: str) -> RequestLogSettings | None:
        """Whether and where the model's requests are logged."""
        model = self._models.get(name)
        return model.config.request_log if model is not None else None

    # --- configuration

    def configs(self) -> list[ModelConfig]:
        """The configuration in use."""
        return [model.config for model in self._models.values()]

    def reload(self, configs: Sequence[ModelConfig], still_wanted: Callable[[], bool] = lambda: True) -> None:
        """Replace the configuration and wait until each new model is available, or `still_wanted` is false.

        Raises:
            ServingError: the configuration is refused and nothing has changed, or (UNKNOWN) no version of a new model
                could be loaded.
        """
        with self._config_lock:
            known = set(self._models)
            self._configure(configs)
            log.info("configuration replaced: %s", ", ".join(self._models) or "no models")
        self._look_asked.set()
        self._wake.set()
        new = [config.name for config in configs if config.name not in known]
        self.wait_settled(new, still_wanted)
        self._raise_unavailable(new, "model(s)")

    def _configure(self, configs: Sequence[ModelConfig]) -> None:
        self._labels = checked_labels(
            configs, old=self._labels, is_available=self._is_available, allow_unavailable=self._allow_labels
        )
        before = self._models
        models: dict[str, Lifecycle[M]] = {}
        for config in configs:
            model = models[config.name] = before.get(config.name) or Lifecycle(config, self._fall_back)
            model.config = config
        for name, model in before.items():
            model.removed = name not in models
            if model.removed:
                self._work_in_thread(model)
        self._models = models
        for model in models.values():
            self._replace(model)
        self._published()

    def _is_available(self, name: str, version: int) -> bool:
        return self._statuses.state(name, version) is State.AVAILABLE

    # --- life

    def start(self, poll_interval_s: float) -> None:
        """Look at the disk every so often. 0: once now and at every change of configuration; less: never."""
        self._poll_interval_s = poll_interval_s
        self._poller = threading.Thread(target=self._run, name="poll", daemon=True)
        self._poller.start()

    def wait_first_load(self, still_wanted: Callable[[], bool] = lambda: True) -> None:
        """Wait until each model that has versions on disk serves, and each of its versions has been tried; models
        without any are not waited for.

        Raises:
            ServingError: UNKNOWN, no version of a model could be loaded.
        """
        if self._poll_interval_s >= 0:
            self._look()
        with_versions = [name for name, model in self._models.items() if model.aspired()]
        self._wait(with_versions, self._first_tried, still_wanted)
        self._started = True
        self._raise_unavailable(with_versions, "servable(s)")

    def wait_settled(self, names: Collection[str], still_wanted: Callable[[], bool] = lambda: True) -> None:
        """Until every model serves, has failed or has been removed."""
        self._wait(names, self._settled, still_wanted)

    def _wait(self, names: Collection[str], is_over: Callable[[str], bool], still_wanted: Callable[[], bool]) -> None:
        with self._statuses.changed:
            while not self._stop.is_set() and still_wanted() and not all(map(is_over, names)):
                self._statuses.changed.wait(0.1)  # the caller's wish to stop makes no noise

    def _first_tried(self, name: str) -> bool:
        """Whether a model serves all it can for now: nobody has to wait for the retries of a version that failed."""
        model = self._models.get(name)
        if model is None or self._failed(model):
            return True
        loaded = list(model.loaded)
        return bool(loaded) and not model.pending() and all(self._is_available(name, version) for version in loaded)

    def _settled(self, name: str) -> bool:
        model = self._models.get(name)
        if model is None or self._failed(model):
            return True
        return any(self._is_available(name, version) for version in list(model.loaded))

    @staticmethod
    def _failed(model: Lifecycle[M]) -> bool:
        aspired = model.aspired()
        return not model.loaded and bool(aspired) and all(model.hopeless(version) for version in aspired)

    def _raise_unavailable(self, names: Collection[str], what: str) -> None:
        failed = [self._models[name] for name in sorted(names) if name in self._models]
        failed = [model for model in failed if self._failed(model)]
        if not failed:
            return
        parts = ""
        for model in failed:
            version = max(model.aspired())
            error = model.failures[version]
            parts += (
                f"{{{{name: {model.config.name} version: {version}}} "
                f"due to error: {error.code.name}: {error.message}}}, "
            )
        raise ServingError(Code.UNKNOWN, f"{len(failed)} {what} did not become available: {{{parts}}}")

    def stop(self) -> None:
        """Stop polling and close every model after its last request."""
        self._stop.set()
        self._wake.set()
        if self._poller is not None:
            self._poller.join()
        for model in self._models.values():
            model.removed = True
            self._work_in_thread(model)
        deadline = time.monotonic() + _UNLOAD_S
        # Work starts further threads, the unloads: hence by index.
        index = 0
        while index < len(self._threads):
            self._threads[index].join(max(0.0, deadline - time.monotonic()))
            index += 1

    def poll(self) -> None:
        """Look at the disk and work until nothing is left to do."""
        self._look()
        for model in list(self._models.values()):
            self._work(model)

    def _run(self) -> None:
        next_look = 0.0 if self._poll_interval_s >= 0 else math.inf
        while not self._stop.is_set():
            try:
                self._wake.clear()
                asked = self._look_asked.is_set() and self._poll_interval_s >= 0
                if asked or time.monotonic() >= next_look:
                    self._look_asked.clear()
                    self._look()
                    next_look = time.monotonic() + (self._poll_interval_s or math.inf)
                for model in list(self._models.values()):
                    if not model.lock.locked() and model.needs_work():
                        self._work_in_thread(model)
            except Exception:
                # A defect in one poll must not end all later ones.
                log.exception("polling failed; the models loaded so far go on serving")
                next_look = time.monotonic() + max(1.0, self._poll_interval_s)
            retries = (model.next_retry_at() for model in list(self._models.values()))
            due = min([next_look, *(at for at in retries if at is not None)])
            # A retry that is due but waits behind other work of its model must not make this loop spin.
            self._wake.wait(None if due == math.inf else max(0.05, due - time.monotonic()))

    def _look(self) -> None:
        for model in list(self._models.values()):
            model.look()
            self._statuses.aspire(model.config.name, model.pending(), model.aspired())

    # --- one model

    def _work_in_thread(self, model: Lifecycle[M]) -> None:
        thread = threading.Thread(target=self._work, args=(model,), name=f"work-{model.config.name}", daemon=True)
        self._remember(thread)
        thread.start()

    def _remember(self, thread: threading.Thread) -> None:
        if not self._stop.is_set():
            self._threads = [other for other in self._threads if other.is_alive() or other.ident is None]
        self._threads.append(thread)

    def _work(self, model: Lifecycle[M]) -> None:
        with model.lock:
            self._forget_unwanted(model)
            while (step := model.next_step()) is not None:
                if step.action == "unload":
                    self._unload(model, step.version)
                elif self._stop.is_set():
                    return
                else:
                    folder = model.aspired().get(step.version)
                    if folder is not None:
                        self._try_load(model, step.version, folder)

    def _forget_unwanted(self, model: Lifecycle[M]) -> None:
        for version in model.unwanted_failures():
            failure = model.failures.pop(version)
            status = VersionStatus(version, State.END, failure.code, failure.message)
            self._statuses.report(model.config.name, status, only_from=(State.START, State.LOADING))

    def _try_load(self, model: Lifecycle[M], version: int, folder: Path) -> None:
        name = model.config.name
        with self._loads if self._started else self._first_loads:
            started, seen = time.monotonic(), fingerprint(folder)
            self._statuses.report(name, VersionStatus(version, State.LOADING))
            try:
                loaded = self._load(folder)
            except ServingError as error:
                self._note_failure(model, version, seen, error)
                return
            except Exception as error:
                # Whatever a model's files do to a library, the other models go on.
                log.exception("model %s version %d: unexpected failure", name, version)
                self._note_failure(
                    model, version, seen, ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}")
                )
                return
        model.failures.pop(version, None)
        model.loaded[version] = Servable(name, version, loaded)
        self._publish(model)
        self._statuses.report(name, VersionStatus(version, State.AVAILABLE))
        log.info("model %s version %d: available after %.2f s", name, version, time.monotonic() - started)

    def _note_failure(self, model: Lifecycle[M], version: int, seen: Fingerprint, error: ServingError) -> None:
        name, earlier = model.config.name, model.failures.get(version)
        attempts = 1 + (earlier.attempts if earlier else 0)
        final = attempts >= self._max_attempts
        log.error(
            "model %s version %d: load failed (attempt %d of %d): %s",
            name, version, attempts, self._max_attempts, error,
        )  # fmt: skip
        retry_at = time.monotonic() + self._retry_interval_s
        model.failures[version] = Failure(seen, attempts, retry_at, error.code, error.message, final)
        if final:
            self._statuses.report(name, VersionStatus(version, State.END, error.code, error.message))
        self._wake.set()  # the poller may be asleep for longer than until the retry

    def _unload(self, model: Lifecycle[M], version: int) -> None:
        servable = model.loaded.pop(version)
        self._statuses.report(model.config.name, VersionStatus(version, State.UNLOADING))
        self._publish(model)
        # In a thread: a long request on the old version must not hold up the next step.
        thread = threading.Thread(target=self._close, args=(servable,), name=f"unload-{version}", daemon=True)
        self._remember(thread)
        thread.start()

    def _close(self, servable: Servable[M]) -> None:
        servable.retire()
        release_freed_memory()
        # The same version may have come back meanwhile; then its new state stands.
        status = VersionStatus(servable.version, State.END)
        self._statuses.report(servable.name, status, only_from=(State.UNLOADING,))
        log.info("model %s version %d: unloaded", servable.name, servable.version)

    def _publish(self, model: Lifecycle[M]) -> None:
        self._replace(model)
        self._published()

    def _replace(self, model: Lifecycle[M]) -> None:
        name = model.config.name
        with self._map_lock:
            if self._models.get(name, model) is not model:
                return  # taken out of the configuration and put back: its successor answers now
            labels = {} if model.removed else self._labels.get(name, {})
            self._map = self._map.replace(name, ServedModel(dict(model.loaded), dict(labels)))
