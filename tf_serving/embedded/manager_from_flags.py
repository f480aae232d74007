"""The manager that the command line describes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tf_serving.embedded.manager import Manager
from tf_serving.embedded.model_config import ModelConfig, read_model_config_file
from tf_serving.embedded.servable import M
from tf_serving.embedded.status import invalid


def new_manager(
    flags: argparse.Namespace, load: Callable[[Path], M], published: Callable[[], None] = lambda: None
) -> Manager[M]:
    """A manager of the models that the flags name.

    Raises:
        ServingError: the configuration cannot be used.
    """
    return Manager(
        _first_configs(flags),
        load,
        max_retries=flags.max_num_load_retries,
        retry_interval_s=flags.load_retry_interval_micros / 1e6,
        load_threads=flags.num_load_threads,
        allow_labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
        fall_back=flags.fall_back_to_older_versions,
        published=published,
    )


def _first_configs(flags: argparse.Namespace) -> list[ModelConfig]:
    if flags.model_config_file:
        return read_model_config_file(Path(flags.model_config_file))
    if not Path(flags.model_base_path).is_absolute():
        raise invalid(
            f"Expected model {flags.model_name} to have an absolute path or URI; "
            f"got base_path()={flags.model_base_path}"
        )
    return [ModelConfig(flags.model_name, Path(flags.model_base_path))]
