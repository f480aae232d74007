"""Writes one SavedModel of 32 MB: large enough to see in a server's memory. Run as a script."""

from __future__ import annotations

import sys

import tensorflow as tf

SIDE = 2900


class LargeModel(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.ones((SIDE, SIDE)))

    @tf.function
    def sums(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": tf.reduce_sum(tf.matmul(rows, self.weights), -1)}


if __name__ == "__main__":
    model = LargeModel()
    signature = model.sums.get_concrete_function(tf.TensorSpec([None, SIDE], tf.float32, name="rows"))
    tf.saved_model.save(model, sys.argv[1], signatures={"serving_default": signature})
