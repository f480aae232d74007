"""Scalers, imputer and polynomial features: element-wise, in the order of operations of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartgrid.savedmodel.builder import Builder, Compiler, Tensor, TensorFunction


def _shift_then_divide(builder: Builder, shift: Any, divisor: Any) -> TensorFunction:
    shift_variable = None if shift is None else builder.variable(shift)
    divisor_variable = None if divisor is None else builder.variable(divisor)

    def transform(X: Tensor) -> Tensor:
        if shift_variable is not None:
            X = X - shift_variable
        return X if divisor_variable is None else X / divisor_variable

    return transform


def standard_scaler(scaler: Any, builder: Builder) -> TensorFunction:
    return _shift_then_divide(
        builder, scaler.mean_ if scaler.with_mean else None, scaler.scale_ if scaler.with_std else None
    )


def robust_scaler(scaler: Any, builder: Builder) -> TensorFunction:
    return _shift_then_divide(
        builder, scaler.center_ if scaler.with_centering else None, scaler.scale_ if scaler.with_scaling else None
    )


def max_abs_scaler(scaler: Any, builder: Builder) -> TensorFunction:
    scale = _shift_then_divide(builder, None, scaler.scale_)
    return _clipped(scale, -1.0, 1.0) if getattr(scaler, "clip", False) else scale


def min_max_scaler(scaler: Any, builder: Builder) -> TensorFunction:
    factor, offset = builder.variable(scaler.scale_), builder.variable(scaler.min_)

    def transform(X: Tensor) -> Tensor:
        return X * factor + offset

    return _clipped(transform, *scaler.feature_range) if scaler.clip else transform


def _clipped(function: TensorFunction, low: float, high: float) -> TensorFunction:
    import tensorflow as tf

    def transform(X: Tensor) -> Tensor:
        return tf.clip_by_value(function(X), np.float64(low), np.float64(high))

    return transform


def normalizer(scaler: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    def transform(X: Tensor) -> Tensor:
        if scaler.norm == "l1":
            norms = tf.reduce_sum(tf.abs(X), axis=1, keepdims=True)
        elif scaler.norm == "l2":
            norms = tf.sqrt(tf.reduce_sum(X * X, axis=1, keepdims=True))
        else:
            norms = tf.reduce_max(tf.abs(X), axis=1, keepdims=True)
        return X / tf.where(tf.equal(norms, 0.0), tf.ones_like(norms), norms)

    return transform


def simple_imputer(imputer: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    statistics = np.asarray(imputer.statistics_, dtype=np.float64)
    # A column that was empty in training is dropped by the imputer: nothing is known to fill it with.
    kept = np.flatnonzero(~np.isnan(statistics))
    fill = builder.variable(statistics[kept])
    columns = None if len(kept) == len(statistics) else builder.variable(kept, np.int32)

    def transform(X: Tensor) -> Tensor:
        if columns is not None:
            X = tf.gather(X, columns, axis=1)
        return tf.where(tf.math.is_nan(X), fill, X)

    return transform


def polynomial_features(transformer: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    # Each output is a product of `degree` columns; a column of ones, appended, fills the shorter products.
    powers = np.asarray(transformer.powers_)
    degree, n_inputs = int(powers.sum(axis=1).max(initial=1)), powers.shape[1]
    factors = np.full((degree, len(powers)), n_inputs)
    for output, row in enumerate(powers):
        columns = np.repeat(np.arange(n_inputs), row)
        factors[: len(columns), output] = columns
    indices = [builder.variable(row, np.int32) for row in factors]

    def transform(X: Tensor) -> Tensor:
        padded = tf.concat([X, tf.ones_like(X[:, :1])], axis=1)
        product = tf.gather(padded, indices[0], axis=1)
        for index in indices[1:]:
            product = product * tf.gather(padded, index, axis=1)
        return product

    return transform


COMPILERS: dict[str, Compiler] = {
    "MaxAbsScaler": max_abs_scaler,
    "MinMaxScaler": min_max_scaler,
    "Normalizer": normalizer,
    "PolynomialFeatures": polynomial_features,
    "RobustScaler": robust_scaler,
    "SimpleImputer": simple_imputer,
    "StandardScaler": standard_scaler,
}
