"""From a fitted model to one function of TensorFlow: feature rows in, load in kW out.

Models are recognised by what they hold, not by their class, because the classes live above this room.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.builder import Builder, Tensor, TensorFunction
from smartgrid.savedmodel.errors import NotExportable
from smartgrid.savedmodel.keras_network import ScaledNetwork, scaled_network
from smartgrid.savedmodel.reference import WeightedMean
from smartgrid.savedmodel.selectors import gather_columns


class Predictor(Protocol):
    """Any fitted model: its schema, and `predict` from rows (n, k) to kW (n,)."""

    schema: FeatureSchema

    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...


@runtime_checkable
class CoefficientTable(Protocol):
    """A linear model for each zone and slot of the day; the last zone is for zones unknown to training."""

    schema: FeatureSchema
    columns: list[int]
    weights: npt.NDArray[np.float64]
    intercepts: npt.NDArray[np.float64]
    fill: npt.NDArray[np.float64]


@runtime_checkable
class ScaledPipeline(Protocol):
    """A scikit-learn pipeline that predicts load divided by level."""

    schema: FeatureSchema
    columns: list[int]
    pipeline: Any


def compile_model(model: Predictor, builder: Builder) -> TensorFunction:
    """The function [n, k] float64 -> [n] kW of a fitted model.

    Raises:
        NotExportable
    """
    if isinstance(model, CoefficientTable):
        return _coefficient_table(model, builder)
    if isinstance(model, ScaledPipeline):
        return _scaled_pipeline(model, builder)
    if isinstance(model, ScaledNetwork):
        return _scaled_network(model, builder)
    if isinstance(model, WeightedMean):
        return _weighted_mean(model, builder)
    raise NotExportable(type(model).__name__, "this kind of model has no exact translation")


def _coefficient_table(model: CoefficientTable, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    n_zones, n_slots, n_columns = model.weights.shape
    table = builder.variable(model.weights.reshape(n_zones * n_slots, n_columns))
    intercepts, fill = builder.variable(model.intercepts.reshape(-1)), builder.variable(model.fill)
    select = gather_columns(model.columns, builder)
    zone_column, slot_column, level_column = (model.schema.index(name) for name in ("zone_code", "slot", "level_kw"))

    def predict(X: Tensor) -> Tensor:
        zone = tf.cast(X[:, zone_column], tf.int64)
        zone = tf.where((zone < 0) | (zone >= n_zones - 1), tf.constant(n_zones - 1, tf.int64), zone)
        slot = tf.clip_by_value(tf.cast(X[:, slot_column], tf.int64), 0, n_slots - 1)
        row = zone * n_slots + slot
        inputs = select(X)
        inputs = tf.where(tf.math.is_finite(inputs), inputs, fill)
        ratio = tf.reduce_sum(inputs * tf.gather(table, row), axis=1) + tf.gather(intercepts, row)
        return _load_kw(X[:, level_column], ratio)

    return predict


def _scaled_pipeline(model: ScaledPipeline, builder: Builder) -> TensorFunction:
    select, predict_ratio = gather_columns(model.columns, builder), builder.compile(model.pipeline)
    level_column = model.schema.index("level_kw")

    def predict(X: Tensor) -> Tensor:
        return _load_kw(X[:, level_column], predict_ratio(select(X)))

    return predict


def _scaled_network(model: ScaledNetwork, builder: Builder) -> TensorFunction:
    predict_ratio, level_column = scaled_network(model, builder), model.schema.index("level_kw")

    def predict(X: Tensor) -> Tensor:
        return _load_kw(X[:, level_column], predict_ratio(X))

    return predict


def _weighted_mean(model: WeightedMean, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    members = [compile_model(member, builder) for member in model.members]
    weights = [builder.variable(float(weight)) for weight in model.weights]

    def predict(X: Tensor) -> Tensor:
        return tf.add_n([member(X) * weight for member, weight in zip(members, weights, strict=True)])

    return predict


def _load_kw(level_kw: Tensor, ratio: Tensor) -> Tensor:
    import tensorflow as tf

    return tf.maximum(level_kw * ratio, tf.zeros_like(ratio))
