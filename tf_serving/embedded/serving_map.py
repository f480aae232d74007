"""Who answers a request: an immutable picture that the manager replaces whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic

from tf_serving.embedded.servable import M, Servable
from tf_serving.embedded.status import Code, ServingError, invalid


@dataclass(frozen=True)  # no slots: Python 3.11 cannot build a generic class that has them
class ServedModel(Generic[M]):
    """The available versions of one model and its labels."""

    versions: Mapping[int, Servable[M]] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ServingMap(Generic[M]):
    """All models. Requests read one map; a swap is one assignment."""

    models: Mapping[str, ServedModel[M]] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, name: str, version: int | None, label: str | None) -> Servable[M]:
        """The version that a request means; without version and label the highest available one.

        Raises:
            ServingError: NOT_FOUND, or INVALID_ARGUMENT for an unknown label.
        """
        model: ServedModel[M] = self.models.get(name, ServedModel())
        if label:
            if label not in model.labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = model.labels[label]
        if version is None:
            if not model.versions:
                raise ServingError(Code.NOT_FOUND, f"Servable not found for request: Latest({name})")
            return model.versions[max(model.versions)]
        if version not in model.versions:
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: Specific({name}, {version})")
        return model.versions[version]

    def available(self, name: str) -> Collection[Servable[M]]:
        """The versions of a model that answer; without a lease one may close at any time."""
        served = self.models.get(name)
        return served.versions.values() if served is not None else ()

    def replace(self, name: str, model: ServedModel[M]) -> ServingMap[M]:
        """A new map in which `name` is served by `model`."""
        return ServingMap(MappingProxyType({**self.models, name: model}))


class Lease(Generic[M]):
    """`with Lease(find) as servable`: the version that `find` gives, held open until the block ends.

    Where it is retired at that very moment, `find` is asked again: the map has changed by then. No generator: it is on
    the path of every request.
    """

    __slots__ = ("_find", "_servable")

    def __init__(self, find: Callable[[], Servable[M]]) -> None:
        self._find = find

    def __enter__(self) -> Servable[M]:
        while True:
            self._servable = self._find()
            if self._servable.acquire():
                return self._servable

    def __exit__(self, *_: object) -> None:
        self._servable.release()
