"""Linear regressors: one matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartgrid.savedmodel.builder import Builder, Compiler, Tensor, TensorFunction

NAMES = (
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "OrthogonalMatchingPursuit",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
)


def linear_model(estimator: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    weights = builder.variable(np.asarray(estimator.coef_, dtype=np.float64).reshape(-1, 1))
    intercept = builder.variable(np.asarray(estimator.intercept_, dtype=np.float64).reshape(-1)[:1])

    def predict(X: Tensor) -> Tensor:
        return tf.matmul(X, weights)[:, 0] + intercept

    return predict


COMPILERS: dict[str, Compiler] = dict.fromkeys(NAMES, linear_model)
