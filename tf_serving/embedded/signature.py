"""What a model takes and gives: the part of a SignatureDef that requests need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tf_serving.embedded.dtypes import Array

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: its tensor in the graph (`name:0`) and its TensorFlow data type."""

    feed_name: str
    dtype: int


@dataclass(frozen=True, slots=True)
class Signature:
    """Named inputs and outputs of one way to call the model."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    # Values for inputs that a request may leave out.
    defaults: Mapping[str, Array] = field(default_factory=dict)
