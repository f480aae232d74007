"""Feature selection and projection."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartgrid.savedmodel.builder import Builder, Compiler, Tensor, TensorFunction

SELECTORS = (
    "GenericUnivariateSelect",
    "RFE",
    "RFECV",
    "SelectFdr",
    "SelectFpr",
    "SelectFromModel",
    "SelectFwe",
    "SelectKBest",
    "SelectPercentile",
    "SequentialFeatureSelector",
    "VarianceThreshold",
)


def selector(estimator: Any, builder: Builder) -> TensorFunction:
    return gather_columns(np.asarray(estimator.get_support(indices=True)), builder)


def gather_columns(columns: Any, builder: Builder) -> TensorFunction:
    """Columns of the input, by index."""
    import tensorflow as tf

    indices = builder.variable(columns, np.int32)

    def transform(X: Tensor) -> Tensor:
        return tf.gather(X, indices, axis=1)

    return transform


def pca(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    components = np.asarray(estimator.components_, dtype=np.float64)
    projection = builder.variable(components.T)
    offset = builder.variable(estimator.mean_.reshape(1, -1) @ components.T)
    divisor = None
    if estimator.whiten:
        scale = np.sqrt(estimator.explained_variance_)
        divisor = builder.variable(np.maximum(scale, np.finfo(scale.dtype).eps))

    def transform(X: Tensor) -> Tensor:
        projected = tf.matmul(X, projection) - offset
        return projected if divisor is None else projected / divisor

    return transform


def truncated_svd(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    projection = builder.variable(np.asarray(estimator.components_, dtype=np.float64).T)

    def transform(X: Tensor) -> Tensor:
        return tf.matmul(X, projection)

    return transform


COMPILERS: dict[str, Compiler] = {**dict.fromkeys(SELECTORS, selector), "PCA": pca, "TruncatedSVD": truncated_svd}
