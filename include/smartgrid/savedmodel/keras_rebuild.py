"""A Keras network from its architecture and weights, computing in float64.

A network trained in float32 has weights that float64 holds exactly. Computed in float64, its answer does not depend on
how many rows are asked at once, and the exported graph agrees with it to the last few bits.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt


def rebuild(architecture: dict[str, Any], weights: list[npt.NDArray[Any]]) -> Any:
    """The keras.Model with these weights, in float64.

    Args:
        architecture: the JSON of `model.to_json()`.
        weights: in the order of `model.get_weights()`.
    """
    import keras

    model = from_architecture(in_float64(architecture))
    model.set_weights([np.asarray(weight) for weight in weights])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it keeps what it computes with beside its weights
    model.trainable = False
    return model


def from_architecture(architecture: dict[str, Any]) -> Any:
    """An untrained keras.Model with one input and one output, each a tensor (AutoKeras's are lists of one)."""
    import keras

    model = keras.models.model_from_json(json.dumps(architecture))
    return keras.Model(model.inputs[0], model.outputs[0])


def in_float64(part: Any) -> Any:
    """The same architecture with every layer in float64."""
    if isinstance(part, list):
        return [in_float64(item) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("class_name") == "DTypePolicy":
        return {**part, "config": {**part["config"], "name": "float64"}}
    return {
        key: "float64" if key == "dtype" and isinstance(value, str) else in_float64(value)
        for key, value in part.items()
    }
