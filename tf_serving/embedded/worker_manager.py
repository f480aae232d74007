"""A worker's side of the models: runs what the parent tells it to load, asks the parent what is true of all workers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic

from tf_serving.embedded.control_channel import ControlChannel
from tf_serving.embedded.memory import release_freed_memory
from tf_serving.embedded.model_config import ModelConfig
from tf_serving.embedded.model_config_json import to_json
from tf_serving.embedded.request_log_settings import RequestLogSettings
from tf_serving.embedded.servable import M, Servable
from tf_serving.embedded.serving_map import Lease, ServedModel, ServingMap
from tf_serving.embedded.status import Code
from tf_serving.embedded.versions import State, VersionStatus

_LOOK_S = 0.1


class WorkerManager(Generic[M]):
    """Stands where the manager stands in a server of one process. Loaded versions have the numbers the parent gave."""

    def __init__(self, load: Callable[[Path], M], channel: ControlChannel) -> None:
        self._load, self._channel = load, channel
        self._lock = threading.Lock()
        self._models: dict[int, M] = {}
        self._servables: dict[int, Servable[M]] = {}
        self._map: ServingMap[M] = ServingMap()
        self._names: frozenset[str] = frozenset()
        self._request_logs: dict[str, RequestLogSettings] = {}
        self._reloads = itertools.count(1)

    # --- what requests use

    def lease(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable[M]]:
        """The version that answers a request, held open until the block ends.

        Raises:
            ServingError: no such model, version or label is served.
        """
        return Lease(lambda: self._map.find(name, version, label))

    def available(self, name: str) -> Collection[Servable[M]]:
        """The versions that answer requests now."""
        return self._map.available(name)

    def model_names(self) -> Collection[str]:
        """The models of the configuration."""
        return self._names

    def request_log(self, name: str) -> RequestLogSettings | None:
        """Whether and where the model's requests are logged."""
        return self._request_logs.get(name)

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """States of the versions in all workers, newest first.

        Raises:
            ServingError: NOT_FOUND.
        """
        entries = self._channel.ask("statuses", [name, version])
        return [VersionStatus(number, State(state), Code(code), text) for number, state, code, text in entries]

    def reload(self, configs: Sequence[ModelConfig], still_wanted: Callable[[], bool] = lambda: True) -> None:
        """Replace the configuration of all workers, and wait until each new model is available in all of them or
        `still_wanted` is false.

        Raises:
            ServingError: as the manager's `reload`.
        """
        number = next(self._reloads)
        done = self._channel.begin("reload", [number, [to_json(config) for config in configs]])
        while not wait([done], timeout=_LOOK_S).done:
            if not still_wanted():
                self._channel.ask("wait_no_more", number)
                break
        done.result()

    # --- what the parent tells

    def load(self, number: int, folder: str) -> None:
        """Load a version, without showing it to requests yet.

        Raises:
            ServingError: it cannot be loaded.
        """
        model = self._load(Path(folder))
        with self._lock:
            self._models[number] = model

    def show(
        self, names: Sequence[str], models: dict[str, Any], request_logs: Mapping[str, tuple[str, float]] | None = None
    ) -> None:
        """From now on exactly these versions and labels answer requests, in one step."""
        with self._lock:
            self._map = ServingMap(
                MappingProxyType({name: self._served(name, **served) for name, served in models.items()})
            )
            self._names = frozenset(names)
            self._request_logs = {name: RequestLogSettings(*log) for name, log in (request_logs or {}).items()}

    def _served(self, name: str, versions: list[tuple[int, int]], labels: dict[str, int]) -> ServedModel[M]:
        found = {}
        for version, number in versions:
            if number not in self._servables:
                self._servables[number] = Servable(name, version, self._models[number])
            found[version] = self._servables[number]
        return ServedModel(found, labels)

    def close(self, number: int) -> None:
        """Close a version that is shown no more, after its last request."""
        with self._lock:
            model, servable = self._models.pop(number), self._servables.pop(number, None)
        if servable is not None:
            servable.retire()
        else:
            model.close()
        del model, servable
        release_freed_memory()

    def close_all(self) -> None:
        """Close everything, at the end."""
        self.show([], {})
        for number in list(self._models):
            self.close(number)
