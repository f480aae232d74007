"""Regressors made of decision trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartgrid.savedmodel.builder import Builder, Compiler, Tensor, TensorFunction
from smartgrid.savedmodel.trees import Tree, tree_values


def _decision_trees(estimators: list[Any], builder: Builder) -> TensorFunction:
    trees = [Tree.from_decision_tree(estimator.tree_) for estimator in estimators]
    missing = any(bool(tree.missing_left.any()) for tree in trees)
    return tree_values(trees, builder, single_precision_input=True, missing=missing)


def decision_tree(estimator: Any, builder: Builder) -> TensorFunction:
    values = _decision_trees([estimator], builder)

    def predict(X: Tensor) -> Tensor:
        return values(X)[:, 0]

    return predict


def forest(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    values = _decision_trees(list(estimator.estimators_), builder)

    def predict(X: Tensor) -> Tensor:
        return tf.reduce_mean(values(X), axis=1)

    return predict


def gradient_boosting(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    values = _decision_trees([tree for (tree,) in estimator.estimators_], builder)
    # `init_` is a constant (a quantile or the mean), or "zero".
    start = 0.0 if isinstance(estimator.init_, str) else float(np.asarray(estimator.init_.constant_).ravel()[0])
    baseline, rate = builder.variable(start), builder.variable(estimator.learning_rate)

    def predict(X: Tensor) -> Tensor:
        return baseline + tf.reduce_sum(values(X) * rate, axis=1)

    return predict


def histogram_gradient_boosting(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    trees = [Tree.from_histogram_predictor(predictor) for (predictor,) in estimator._predictors]
    values = tree_values(trees, builder, single_precision_input=False, missing=True)
    baseline = builder.variable(float(estimator._baseline_prediction.ravel()[0]))
    # Losses with a logarithmic link (poisson, gamma) predict the exponent.
    exponential = type(estimator._loss.link).__name__ == "LogLink"

    def predict(X: Tensor) -> Tensor:
        raw = baseline + tf.reduce_sum(values(X), axis=1)
        return tf.exp(raw) if exponential else raw

    return predict


def ada_boost(estimator: Any, builder: Builder) -> TensorFunction:
    """The weighted median of its members."""
    import tensorflow as tf

    members = [builder.compile(member) for member in estimator.estimators_]
    weights = builder.variable(estimator.estimator_weights_[: len(members)])

    def predict(X: Tensor) -> Tensor:
        predictions = tf.stack([member(X) for member in members], axis=1)
        order = tf.argsort(predictions, axis=1, stable=True)
        cumulated = tf.cumsum(tf.gather(weights, order), axis=1)
        reached = cumulated >= 0.5 * cumulated[:, -1:]
        middle = tf.argmax(tf.cast(reached, tf.int32), axis=1, output_type=tf.int32)
        median = tf.gather(order, middle, axis=1, batch_dims=1)
        return tf.gather(predictions, median, axis=1, batch_dims=1)

    return predict


COMPILERS: dict[str, Compiler] = {
    "AdaBoostRegressor": ada_boost,
    "DecisionTreeRegressor": decision_tree,
    "ExtraTreeRegressor": decision_tree,
    "ExtraTreesRegressor": forest,
    "GradientBoostingRegressor": gradient_boosting,
    "HistGradientBoostingRegressor": histogram_gradient_boosting,
    "RandomForestRegressor": forest,
}
