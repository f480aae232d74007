"""A model for `mlflow models serve`. Run by `serving.py` in an environment of its own.

`python serving_mlflow.py SAVED_MODEL FOLDER COLUMNS float32|float64` writes FOLDER: the dense model as a Keras model,
which is how people log one; any other SavedModel behind a plain module, which MLflow serves far faster.
"""

from __future__ import annotations

import sys


def main(source: str, target: str, columns: int, dtype: str) -> None:
    import mlflow
    import numpy as np
    import tensorflow as tf
    from mlflow.models import infer_signature

    class Served(tf.Module):
        """Calls the SavedModel's default signature."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = tf.saved_model.load(source)

        @tf.function(input_signature=[tf.TensorSpec((None, columns), dtype)])
        def __call__(self, features: tf.Tensor) -> tf.Tensor:
            (output,) = self.inner.signatures["serving_default"](features=features).values()
            return output

    model, rows = Served(), np.full((1, columns), 0.5, dtype)
    mlflow.tensorflow.save_model(model, target, signature=infer_signature(rows, model(rows).numpy()))


def keras(target: str) -> None:
    """The dense model as MLflow's Keras flavour."""
    import mlflow
    import numpy as np
    import tensorflow as tf
    from mlflow.models import infer_signature

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [tf.keras.Input((32,), name="features"), layers.Dense(64, activation="relu"), layers.Dense(24)]
    )
    rows = np.zeros((1, 32), np.float32)
    mlflow.tensorflow.save_model(model, target, signature=infer_signature(rows, model.predict(rows, verbose=0)))


if __name__ == "__main__":
    if sys.argv[1].endswith("dense"):
        keras(sys.argv[2])
        sys.exit()
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
