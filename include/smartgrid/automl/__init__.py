"""Training of load models, and the call that trains a model on any table. See docs/training-and-models.md."""

from __future__ import annotations

from typing import Any

__all__ = ["train_with_automl"]


def __getattr__(name: str) -> Any:
    """`train_with_automl`, imported when it is asked for."""
    if name == "train_with_automl":
        from smartgrid.automl.automl_call import train_with_automl

        return train_with_automl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
