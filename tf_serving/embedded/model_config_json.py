"""Configurations of models as JSON, for the way between the processes of one server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_serving.embedded.model_config import ModelConfig, VersionPolicy
from tf_serving.embedded.request_log_settings import RequestLogSettings


def to_json(config: ModelConfig) -> dict[str, Any]:
    """What `from_json` makes the same configuration of."""
    policy = config.policy
    return {
        "name": config.name,
        "base_path": str(config.base_path),
        "policy": [policy.kind, policy.count, sorted(policy.versions)],
        "labels": dict(config.labels),
        "request_log": config.request_log and [config.request_log.filename_prefix, config.request_log.sampling_rate],
    }


def from_json(data: dict[str, Any]) -> ModelConfig:
    """The configuration that `to_json` was given."""
    kind, count, versions = data["policy"]
    policy = VersionPolicy(kind, count, frozenset(versions))
    request_log = RequestLogSettings(*data["request_log"]) if data["request_log"] else None
    return ModelConfig(data["name"], Path(data["base_path"]), policy, data["labels"], request_log)
