"""Which models to serve: from `--model_name` and `--model_base_path`, or from a `--model_config_file`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tf_serving.embedded.request_log_settings import RequestLogSettings, check_separate, request_log_settings
from tf_serving.embedded.status import invalid
from tf_serving.embedded.text_proto import parse_file

_TENSORFLOW, _TENSORFLOW_TYPE = "tensorflow", 1  # the platform, and ModelType.TENSORFLOW


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which versions on disk are wanted: the `count` latest, all, or the `versions` named."""

    kind: Literal["latest", "all", "specific"] = "latest"
    count: int = 1
    versions: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model: its folder of integer version directories, its policy, its labels, where its requests are logged."""

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)
    request_log: RequestLogSettings | None = None


def read_model_config_file(path: Path, known: Collection[str] = ()) -> list[ModelConfig]:
    """Read a ModelServerConfig in protobuf text format, as tensorflow_model_server does. An empty one has no models.

    Raises:
        ServingError: it cannot be read or asks for what no server may do.
    """
    from tf_serving.embedded.protos import model_server_config_pb2

    message = model_server_config_pb2.ModelServerConfig()
    parse_file(path, "--model_config_file", message)
    if message.WhichOneof("config") == "custom_model_config":
        raise invalid(f"--model_config_file {path}: ModelServer does not yet support custom model config.")
    return model_configs(message.model_config_list, known)


def model_configs(message: Any, known: Collection[str] = ()) -> list[ModelConfig]:
    """The models of a ModelConfigList, checked. `known` are the models served now.

    Raises:
        ServingError: a name twice, a relative path, another platform than TensorFlow.
    """
    names: set[str] = set()
    for entry in message.config:
        if entry.name in names:
            raise invalid(f"Illegal to list model {entry.name} multiple times in config list")
        names.add(entry.name)
    configs = [_model_config(entry, known) for entry in message.config]
    check_separate(config.request_log for config in configs)
    return configs


def _model_config(entry: Any, known: Collection[str]) -> ModelConfig:
    base_path = Path(entry.base_path.removeprefix("file://"))
    if not base_path.is_absolute():
        raise invalid(f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}")
    platform = _platform(entry)
    if platform != _TENSORFLOW and entry.name in known:
        raise invalid(
            f"Illegal to change a model's platform. For model {entry.name} platform was {_TENSORFLOW} and new platform "
            f"requested is {platform}"
        )
    if platform != _TENSORFLOW:
        raise invalid(f"Model {entry.name} requests unsupported platform {platform}")
    request_log = request_log_settings(entry.name, entry.logging_config) if entry.HasField("logging_config") else None
    return ModelConfig(
        entry.name, base_path, _policy(entry.model_version_policy), dict(entry.version_labels), request_log
    )


def _platform(entry: Any) -> str:
    fields = "ModelServerConfig::model_type (deprecated) {} ModelServerConfig::model_platform"
    if entry.model_type:
        if entry.model_platform:
            raise invalid(f"Illegal setting both {fields.format('and')}.")
        if entry.model_type != _TENSORFLOW_TYPE:
            raise invalid(f"ModelServerConfig::model_type choice {entry.model_type} not supported.")
        return _TENSORFLOW
    if not entry.model_platform:
        raise invalid(f"Illegal setting neither {fields.format('nor')}, model name is {entry.name}")
    return str(entry.model_platform)


def _policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy("all")
    if choice == "specific":
        return VersionPolicy("specific", versions=frozenset(message.specific.versions))
    return VersionPolicy("latest", count=max(1, message.latest.num_versions) if choice == "latest" else 1)
