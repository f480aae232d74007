"""Writes two small SavedModels and what they predict. Run as a script, so that the tests need no TensorFlow."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

FEATURES = 7


class LoadModel(tf.Module):
    """features (n, 7) -> load_kw (n,), all float64."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        self.weights = tf.Variable(random.normal(size=(FEATURES, 1)), dtype=tf.float64)

    @tf.function(input_signature=[tf.TensorSpec([None, FEATURES], tf.float64, name="features")])
    def serving_default(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"load_kw": tf.squeeze(tf.matmul(features, self.weights), -1)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float64, name="level_kw"),
            tf.TensorSpec([None], tf.int64, name="slot"),
        ]
    )
    def two(self, level_kw: tf.Tensor, slot: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"load_kw": level_kw * tf.cast(slot, tf.float64), "next_slot": slot + 1}


def main(target: Path) -> None:
    features = np.random.default_rng(0).normal(size=(50, FEATURES)) * 1e3
    expected = {}
    for version in (1, 2):
        model = LoadModel(seed=version)
        signatures = {"serving_default": model.serving_default, "two": model.two}
        tf.saved_model.save(model, str(target / f"v{version}"), signatures=signatures)
        expected[f"load_kw_{version}"] = model.serving_default(tf.constant(features))["load_kw"].numpy()
    np.savez(target / "expected.npz", features=features, **expected)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
