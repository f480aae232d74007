"""Train a Keras network from its description. Float32, as AutoKeras trains; what comes out is handed on as numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.savedmodel.keras_rebuild import from_architecture

Floats = npt.NDArray[np.float64]


def describe(model: Any) -> dict[str, Any]:
    """The architecture of a Keras model as plain JSON values."""
    description: dict[str, Any] = json.loads(model.to_json())
    description.pop("compile_config", None)
    return description


def describe_optimizer(model: Any) -> dict[str, Any]:
    """The optimizer that a model was compiled with, its learning rate included, as plain JSON values."""
    import keras

    described: dict[str, Any] = json.loads(json.dumps(keras.optimizers.serialize(model.optimizer), default=float))
    return described


def train(
    architecture: dict[str, Any],
    optimizer: dict[str, Any],
    inputs: Floats,
    target: Floats,
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> list[npt.NDArray[np.float32]]:
    """Weights, in Keras's order, after about `steps` gradient steps from a seeded start.

    Args:
        inputs: (n, width), standardised.
        target: (n,), standardised.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = from_architecture(architecture)
    single = inputs.astype(np.float32)
    adapt(model, single)
    epochs = max(1, round(steps / math.ceil(len(single) / batch_size)))
    # Many steps in one call of the graph: for networks this small, the calls would cost more than the arithmetic.
    model.compile(optimizer=keras.optimizers.deserialize(optimizer), loss="mean_absolute_error", steps_per_execution=32)
    model.fit(single, target.astype(np.float32)[:, None], batch_size=batch_size, epochs=epochs, verbose=0)
    weights: list[npt.NDArray[np.float32]] = model.get_weights()
    return weights


def adapt(model: Any, inputs: npt.NDArray[np.float32]) -> None:
    """Let normalisation layers, which come right after the input, learn from the inputs."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt(inputs)
