"""Writes the two models of `serving.py` as SavedModels: `dense` (two layers) and `lstm` (a forecaster).

Run as a script, so that the benchmark itself needs no TensorFlow; one argument: the folder to write to.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(target: Path) -> None:
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(1)
    dense = keras.Sequential(
        [keras.Input((32,), name="features"), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(24)]
    )
    lstm = keras.Sequential(
        [
            keras.Input((48, 8), name="features"),
            keras.layers.LSTM(64, return_sequences=True),
            keras.layers.LSTM(64),
            keras.layers.Dense(24),
        ]
    )
    for name, model in (("dense", dense), ("lstm", lstm)):
        archive = keras.export.ExportArchive()
        archive.track(model)
        spec = tf.TensorSpec(model.input_shape, tf.float32, name="features")
        archive.add_endpoint("serving_default", model.call, input_signature=[spec])
        archive.write_out(str(target / name), verbose=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
