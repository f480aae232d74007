"""A SavedModel as an MLflow model, for `mlflow models serve`. Run by `serving.py` in an environment of its own.

`python serving_mlflow.py SAVED_MODEL FOLDER COLUMNS float32|float64` writes FOLDER.
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


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
