"""The dense model as an MLflow model, for `mlflow models serve`. Run by `serving.py` in an environment of its own;
one argument: the folder to write to."""

from __future__ import annotations

import sys


def main(target: str) -> None:
    import mlflow
    import numpy as np
    import tensorflow as tf
    from mlflow.models import infer_signature

    keras = tf.keras
    model = keras.Sequential(
        [keras.Input((32,), name="features"), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(24)]
    )
    rows = np.zeros((1, 32), np.float32)
    mlflow.tensorflow.save_model(model, target, signature=infer_signature(rows, model.predict(rows, verbose=0)))


if __name__ == "__main__":
    main(sys.argv[1])
