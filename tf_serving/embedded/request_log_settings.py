"""Whether and where a model's requests are logged: LoggingConfig of a model's configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tf_serving.embedded.status import Code, ServingError, invalid

# tensorflow_model_server has no collector but those that are linked into it. Ours is the one that writes TFRecords.
_TYPES = frozenset({"", "file", "tfrecord"})


@dataclass(frozen=True, slots=True)
class RequestLogSettings:
    """A part `sampling_rate` (0 to 1) of the requests is logged to `<filename_prefix>.<process>.tfrecord`."""

    filename_prefix: str
    sampling_rate: float


def request_log_settings(model_name: str, message: Any) -> RequestLogSettings:
    """The settings of a LoggingConfig.

    Raises:
        ServingError: NOT_FOUND, there is no collector of this type; INVALID_ARGUMENT, it says not where to write.
    """
    collector = message.log_collector_config
    if collector.type not in _TYPES:
        raise ServingError(Code.NOT_FOUND, f"Cannot find LogCollector::Factory for type: {collector.type}")
    if not collector.filename_prefix.startswith("/"):
        raise invalid(
            f"Expected logging_config of model {model_name} to have an absolute LogCollectorConfig::filename_prefix(); "
            f"got {collector.filename_prefix!r}"
        )
    return RequestLogSettings(collector.filename_prefix, message.sampling_config.sampling_rate)


def check_separate(settings: Iterable[RequestLogSettings | None]) -> None:
    """
    Raises:
        ServingError: INVALID_ARGUMENT, two models would write to the same files.
    """
    prefixes: set[str] = set()
    for one in settings:
        if one is None:
            continue
        if one.filename_prefix in prefixes:
            raise invalid(f"Duplicate LogCollectorConfig::filename_prefix(): {one.filename_prefix}")
        prefixes.add(one.filename_prefix)
