"""A neural network with its encoding of the inputs, as one TensorFlow function.

The network itself is the Keras model, traced: its own operations in float64, its variables beside those of the
encoding. Nothing is translated, so nothing can be translated wrongly.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.builder import Builder, Tensor, TensorFunction
from smartgrid.savedmodel.selectors import gather_columns

Floats = npt.NDArray[np.float64]
# A value this many deviations away says no more than "extreme"; beyond it a network would only extrapolate.
CLIP = 8.0


class EncodedInputs(Protocol):
    """Numbers standardised and clipped to 8 deviations, then a row of a table by zone, and one by slot of the day."""

    @property
    def zone_column(self) -> int: ...
    @property
    def slot_column(self) -> int: ...
    @property
    def columns(self) -> list[int]: ...
    @property
    def mean(self) -> Floats: ...
    @property
    def scale(self) -> Floats: ...
    @property
    def zone_table(self) -> Floats: ...
    @property
    def slot_table(self) -> Floats: ...


@runtime_checkable
class ScaledNetwork(Protocol):
    """A network that predicts load divided by level, standardised."""

    schema: FeatureSchema
    inputs: EncodedInputs
    architecture: dict[str, Any]
    target_mean: float
    target_scale: float

    @property
    def network(self) -> Any:
        """The keras.Model in float64."""
        ...


def scaled_network(model: ScaledNetwork, builder: Builder) -> TensorFunction:
    """The function [n, k] float64 -> load divided by level [n]."""
    encode = _encoding(model.inputs, builder)
    network = model.network
    # So that they are saved with the rest: Keras's variables wrap TensorFlow's.
    builder.variables.extend(variable.value for variable in network.variables)
    mean, scale = builder.variable(model.target_mean), builder.variable(model.target_scale)

    def predict(X: Tensor) -> Tensor:
        return mean + scale * network(encode(X), training=False)[:, 0]

    return predict


def _encoding(inputs: EncodedInputs, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    select = gather_columns(inputs.columns, builder)
    mean, scale = builder.variable(inputs.mean), builder.variable(inputs.scale)
    zones, slots = builder.variable(inputs.zone_table), builder.variable(inputs.slot_table)
    known, last_slot = len(inputs.zone_table) - 1, len(inputs.slot_table) - 1

    def encode(X: Tensor) -> Tensor:
        numbers = select(X)
        numbers = (tf.where(tf.math.is_finite(numbers), numbers, mean) - mean) / scale
        numbers = tf.clip_by_value(numbers, np.float64(-CLIP), np.float64(CLIP))
        zone = tf.cast(X[:, inputs.zone_column], tf.int64)
        zone = tf.where((zone < 0) | (zone >= known), tf.constant(known, tf.int64), zone)
        slot = tf.clip_by_value(tf.cast(X[:, inputs.slot_column], tf.int64), 0, last_slot)
        return tf.concat([numbers, tf.gather(zones, zone), tf.gather(slots, slot)], axis=1)

    return encode
