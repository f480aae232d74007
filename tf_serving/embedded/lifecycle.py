"""One model: which versions are wanted, which are loaded, and the next thing to do about the difference.

The order of steps preserves availability: the last version that answers goes only when a wanted one is ready.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal

from tf_serving.embedded.model_config import ModelConfig
from tf_serving.embedded.servable import M, Servable
from tf_serving.embedded.status import Code
from tf_serving.embedded.versions import Fingerprint, fingerprint, versions_on_disk, wanted_versions

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Failure:
    """Attempts to load a version as it was on disk."""

    seen: Fingerprint
    attempts: int
    next_try_at: float
    code: Code
    message: str
    final: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    action: Literal["load", "unload"]
    version: int


@dataclass
class Lifecycle(Generic[M]):
    """What is known of one model. `lock` is held by whoever works on it; `listed` alone is set from outside."""

    config: ModelConfig
    fall_back: bool = False
    listed: Mapping[int, Path] = field(default_factory=dict)
    loaded: dict[int, Servable[M]] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    removed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    _base_path_missing: bool = False

    def look(self) -> None:
        """List the versions on disk. Where that fails, what was listed before stands: an unmounted disk is no wish to
        unload, and no reason to neglect other models."""
        try:
            self.listed = versions_on_disk(self.config.base_path)
        except OSError as error:
            if not self._base_path_missing:
                log.warning("model %s: waiting for its base path: %s", self.config.name, error)
            self._base_path_missing = True
            return
        if self._base_path_missing:
            log.info("model %s: its base path is there", self.config.name)
        self._base_path_missing = False

    def aspired(self) -> dict[int, Path]:
        """The versions that should be loaded."""
        if self.removed:
            return {}
        listed = self.listed
        failing = set(self.failures) if self.fall_back else set()
        return {version: listed[version] for version in wanted_versions(self.config.policy, listed, failing)}

    def next_step(self) -> Step | None:
        """What to do now; None: nothing."""
        aspired = self.aspired()
        surplus = sorted(set(self.loaded) - set(aspired))
        if surplus and (not aspired or len(surplus) > 1 or not set(aspired).isdisjoint(self.loaded)):
            return Step("unload", surplus[0])
        for version in sorted(set(aspired) - set(self.loaded), reverse=True):
            failure = self.failures.get(version)
            if failure is None or self._try_again(failure, aspired[version]):
                return Step("load", version)
        return None

    def pending(self) -> set[int]:
        """Aspired versions that nobody has tried to load yet."""
        return set(self.aspired()) - set(self.loaded) - set(self.failures)

    def unwanted_failures(self) -> set[int]:
        """Failed versions that are gone or no longer aspired: when they come back, they start afresh."""
        return set(self.failures) - set(self.aspired())

    def needs_work(self) -> bool:
        return bool(self.unwanted_failures()) or self.next_step() is not None

    def next_retry_at(self) -> float | None:
        """When a failed load is due again, by the monotonic clock."""
        return min((failure.next_try_at for failure in list(self.failures.values()) if not failure.final), default=None)

    def hopeless(self, version: int) -> bool:
        """Whether `version` has failed for good."""
        failure = self.failures.get(version)
        return failure is not None and failure.final

    def _try_again(self, failure: Failure, folder: Path) -> bool:
        if not failure.final and time.monotonic() >= failure.next_try_at:
            return True
        if fingerprint(folder) == failure.seen:
            return False
        failure.attempts = 0  # somebody repaired or completed it
        return True
