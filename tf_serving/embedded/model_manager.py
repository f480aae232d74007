"""What the network faces ask of whoever keeps the models: the manager itself, or in a worker its stand-in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from tf_serving.embedded.model_config import ModelConfig
from tf_serving.embedded.request_log_settings import RequestLogSettings
from tf_serving.embedded.servable import Servable
from tf_serving.embedded.versions import VersionStatus

if TYPE_CHECKING:  # a process that only manages must not load what runs models
    from tf_serving.embedded.runner import SavedModelRunner


class ModelManager(Protocol):
    """The methods are those of `manager.Manager`, which says what they do."""

    def lease(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable[SavedModelRunner]]: ...

    def available(self, name: str) -> Collection[Servable[SavedModelRunner]]: ...

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]: ...

    def model_names(self) -> Collection[str]: ...

    def request_log(self, name: str) -> RequestLogSettings | None: ...

    def reload(self, configs: Sequence[ModelConfig], still_wanted: Callable[[], bool] = ...) -> None: ...
