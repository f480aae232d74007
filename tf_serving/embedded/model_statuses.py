"""What GetModelStatus answers: the last state of every version seen, ended ones too."""

from __future__ import annotations

import threading
from collections.abc import Collection

from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.versions import State, VersionStatus


class ModelStatuses:
    """Safe to use from all threads; `changed` is notified of every report."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._statuses: dict[str, dict[int, VersionStatus]] = {}

    def report(self, name: str, status: VersionStatus, *, only_from: tuple[State, ...] | None = None) -> None:
        """Set the state of a version; with `only_from`, only where it is in one of these states."""
        with self.changed:
            known = self._statuses.setdefault(name, {})
            if only_from is not None and (status.version not in known or known[status.version].state not in only_from):
                return
            known[status.version] = status
            self.changed.notify_all()

    def aspire(self, name: str, pending: Collection[int], aspired: Collection[int]) -> None:
        """START for versions that will be loaded; END for those that waited for that and are wanted no more."""
        with self.changed:
            known = self._statuses.setdefault(name, {})
            for version in pending:
                if version not in known or known[version].state not in (State.START, State.LOADING):
                    known[version] = VersionStatus(version, State.START)
            for version, status in known.items():
                if status.state is State.START and version not in aspired:
                    known[version] = VersionStatus(version, State.END)

    def state(self, name: str, version: int) -> State | None:
        """None: never seen."""
        with self.changed:
            status = self._statuses.get(name, {}).get(version)
            return status.state if status else None

    def of(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """Newest first.

        Raises:
            ServingError: NOT_FOUND.
        """
        with self.changed:
            known = dict(self._statuses.get(name, {}))
        if version is not None:
            if version not in known:
                raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
            return [known[version]]
        if not known:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        return [known[number] for number in sorted(known, reverse=True)]
