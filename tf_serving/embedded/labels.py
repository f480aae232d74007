"""Version labels, and the rules that keep a label from pointing at a version that cannot answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tf_serving.embedded.model_config import ModelConfig
from tf_serving.embedded.status import Code, ServingError

Labels = Mapping[str, Mapping[str, int]]  # model, label -> version


def checked_labels(
    configs: Iterable[ModelConfig], *, old: Labels, is_available: Callable[[str, int], bool], allow_unavailable: bool
) -> dict[str, dict[str, int]]:
    """The labels of a new configuration.

    A label may name an available version. With `allow_unavailable` a label that is not in use, or stays where it is,
    may name any.

    Raises:
        ServingError: FAILED_PRECONDITION; no label has changed then.
    """
    labels: dict[str, dict[str, int]] = {}
    for config in configs:
        in_use = old.get(config.name, {})
        for label, version in config.labels.items():
            moves = in_use.get(label, version) != version
            if (moves or not allow_unavailable) and not is_available(config.name, version):
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {config.name}, which is not currently "
                    "available for inference",
                )
            labels.setdefault(config.name, {})[label] = version
    return labels
