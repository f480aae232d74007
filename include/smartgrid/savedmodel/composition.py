"""Estimators made of estimators: pipelines, unions, stacking, voting, and TPOT's own building blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartgrid.savedmodel.builder import Builder, Compiler, Tensor, TensorFunction
from smartgrid.savedmodel.selectors import gather_columns


def identity(_estimator: Any, _builder: Builder) -> TensorFunction:
    return lambda X: X


def skip(_estimator: Any, _builder: Builder) -> TensorFunction:
    """TPOT's SkipTransformer: no columns."""
    return lambda X: X[:, :0]


def pipeline(estimator: Any, builder: Builder) -> TensorFunction:
    steps = [builder.compile(step) for _, step in estimator.steps if step is not None and step != "passthrough"]

    def run(X: Tensor) -> Tensor:
        for step in steps:
            X = step(X)
        return X

    return run


def feature_union(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    weights = estimator.transformer_weights or {}
    parts: list[tuple[TensorFunction, Any]] = []
    for name, transformer in estimator.transformer_list:
        if transformer == "drop":
            continue
        function = identity(None, builder) if transformer == "passthrough" else builder.compile(transformer)
        weight = weights.get(name)
        parts.append((function, None if weight is None else builder.variable(float(weight))))

    def transform(X: Tensor) -> Tensor:
        return tf.concat(
            [function(X) if weight is None else function(X) * weight for function, weight in parts], axis=1
        )

    return transform


def column_transformer(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    parts: list[tuple[TensorFunction, TensorFunction]] = []
    for name, transformer, _ in estimator.transformers_:
        columns = estimator._transformer_to_input_indices[name]
        if transformer == "drop" or len(columns) == 0:
            continue
        function = identity(None, builder) if transformer == "passthrough" else builder.compile(transformer)
        parts.append((gather_columns(np.asarray(columns), builder), function))

    def transform(X: Tensor) -> Tensor:
        return tf.concat([function(select(X)) for select, function in parts], axis=1)

    return transform


def estimator_transformer(estimator: Any, builder: Builder) -> TensorFunction:
    """TPOT's EstimatorTransformer: predictions of a regressor as a column, before the inputs if they pass through."""
    import tensorflow as tf

    predict = builder.compile(estimator.estimator)

    def transform(X: Tensor) -> Tensor:
        column = predict(X)[:, None]
        return tf.concat([column, X], axis=1) if estimator.passthrough else column

    return transform


def stacking(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    members = [builder.compile(member) for member in estimator.estimators_]
    final = builder.compile(estimator.final_estimator_)

    def predict(X: Tensor) -> Tensor:
        columns = tf.stack([member(X) for member in members], axis=1)
        return final(tf.concat([columns, X], axis=1) if estimator.passthrough else columns)

    return predict


def voting(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    members = [builder.compile(member) for member in estimator.estimators_]
    weights = estimator._weights_not_none
    shares = np.ones(len(members)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = builder.variable(shares / shares.sum())

    def predict(X: Tensor) -> Tensor:
        return tf.reduce_sum(tf.stack([member(X) for member in members], axis=1) * share, axis=1)

    return predict


COMPILERS: dict[str, Compiler] = {
    "ColumnTransformer": column_transformer,
    "EstimatorTransformer": estimator_transformer,
    "FeatureUnion": feature_union,
    "FunctionTransformer": identity,
    "Passthrough": identity,
    "Pipeline": pipeline,
    "SkipTransformer": skip,
    "StackingRegressor": stacking,
    "VotingRegressor": voting,
}
