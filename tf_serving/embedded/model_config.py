"""Which models to serve: from `--model_name` and `--model_base_path`, or from a `--model_config_file`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tf_serving.embedded.status import invalid


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which versions on disk are wanted: the `count` latest, all, or the `versions` named."""

    kind: Literal["latest", "all", "specific"] = "latest"
    count: int = 1
    versions: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model: its folder of integer version directories, its policy and its labels."""

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)


def read_model_config_file(path: Path) -> list[ModelConfig]:
    """Read a ModelServerConfig in protobuf text format, as tensorflow_model_server does.

    Raises:
        ServingError: it cannot be read or asks for what no server may do.
    """
    from google.protobuf import text_format

    from tf_serving.embedded.protos import model_server_config_pb2

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"Cannot read --model_config_file {path}: {error}") from None
    try:
        message = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except text_format.ParseError as error:
        raise invalid(f"--model_config_file {path} is not a ModelServerConfig: {error}") from None
    if message.WhichOneof("config") != "model_config_list":
        raise invalid(f"--model_config_file {path}: only model_config_list is supported")
    return model_configs(message.model_config_list)


def model_configs(message: Any) -> list[ModelConfig]:
    """The models of a ModelConfigList, checked.

    Raises:
        ServingError: a name twice, a relative path, another platform than TensorFlow.
    """
    configs: list[ModelConfig] = []
    for entry in message.config:
        if entry.name in {config.name for config in configs}:
            raise invalid(f"Illegal to list model {entry.name} multiple times in config list")
        base_path = Path(entry.base_path.removeprefix("file://"))
        if not base_path.is_absolute():
            raise invalid(
                f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
            )
        if not entry.model_platform and not entry.model_type:
            raise invalid(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {entry.name}"
            )
        if entry.model_platform not in ("", "tensorflow"):
            raise invalid(f"Model {entry.name} requests unsupported platform {entry.model_platform}")
        labels = dict(entry.version_labels)
        configs.append(ModelConfig(entry.name, base_path, _policy(entry.model_version_policy), labels))
    return configs


def _policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy("all")
    if choice == "specific":
        return VersionPolicy("specific", versions=frozenset(message.specific.versions))
    return VersionPolicy("latest", count=max(1, message.latest.num_versions) if choice == "latest" else 1)
