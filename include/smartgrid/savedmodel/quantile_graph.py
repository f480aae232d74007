"""Quantiles around the prediction of a model, as a function of TensorFlow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.builder import Builder, Tensor, TensorFunction

Floats = npt.NDArray[np.float64]
QUANTILE_NAMES = ("q10", "q50", "q90")


def quantile_function(
    predict: TensorFunction, residual_quantiles: Floats, schema: FeatureSchema, builder: Builder
) -> TensorFunction:
    """[n, k] -> [n, 3] kW: prediction plus the residual of the row's slot times its level, never negative.

    Args:
        residual_quantiles: (slots, 3), quantiles 0.1, 0.5 and 0.9 of (actual - predicted) / level. A slot out of range
            takes the nearest.
    """
    import tensorflow as tf

    table = builder.variable(residual_quantiles)
    slot_column, level_column = schema.index("slot"), schema.index("level_kw")

    def quantiles(X: Tensor) -> Tensor:
        slot = tf.clip_by_value(tf.cast(X[:, slot_column], tf.int64), 0, len(residual_quantiles) - 1)
        around = predict(X)[:, None] + X[:, level_column, None] * tf.gather(table, slot)
        return tf.maximum(around, tf.zeros_like(around))

    return quantiles


def expected_quantiles(load_kw: Floats, X: Floats, residual_quantiles: Floats, schema: FeatureSchema) -> Floats:
    """The same in NumPy: (n, 3) kW for predictions (n,) of rows (n, k)."""
    slot = np.clip(X[:, schema.index("slot")].astype(np.int64), 0, len(residual_quantiles) - 1)
    around: Floats = load_kw[:, None] + X[:, schema.index("level_kw"), None] * residual_quantiles[slot]
    return np.maximum(around, 0.0)
