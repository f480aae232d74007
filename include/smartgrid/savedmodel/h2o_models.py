"""H2O's models as plain numbers: what their MOJO holds, a prediction in NumPy, and the same in TensorFlow.

The arithmetic is that of H2O's own scorer (hex.genmodel in h2o-3 3.46): leaves are float32, sums are double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.savedmodel.builder import Builder, Compiler, Tensor, TensorFunction
from smartgrid.savedmodel.selectors import gather_columns
from smartgrid.savedmodel.trees import Forest, forest_values

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

INVERSE_LINKS = ("identity", "log", "inverse")
SMALLEST_INVERSE = 1e-5  # H2O keeps the argument of 1/x this far from zero


@dataclass(frozen=True, slots=True)
class H2OForest:
    """GBM, DRF and XRT: `offset` plus the sum of the trees divided by `divisor`, through the inverse link.

    `columns` are the indices of the inputs that the trees' features count in.
    """

    columns: Ints
    forest: Forest
    offset: float
    divisor: float
    link: str

    def predict(self, X: Floats) -> Floats:
        return _inverse_link(self.link, self.forest.sums(X[:, self.columns]) / self.divisor + self.offset)


@dataclass(frozen=True, slots=True)
class H2OLinear:
    """GLM: coefficients of the inputs as they come; `fill` stands in for missing values (None: they stay missing)."""

    columns: Ints
    weights: Floats
    intercept: float
    fill: Floats | None
    link: str

    def predict(self, X: Floats) -> Floats:
        inputs = X[:, self.columns]
        if self.fill is not None:
            inputs = np.where(np.isnan(inputs), self.fill, inputs)
        return _inverse_link(self.link, np.cumsum(inputs * self.weights, axis=1)[:, -1] + self.intercept)


@dataclass(frozen=True, slots=True)
class H2OStack:
    """A stacked ensemble: `final` on the predictions of `members`, in this order."""

    members: tuple[H2OModel, ...]
    final: H2OLinear

    def predict(self, X: Floats) -> Floats:
        return self.final.predict(np.column_stack([member.predict(X) for member in self.members]))


H2OModel = H2OForest | H2OLinear | H2OStack


def _inverse_link(link: str, values: Floats) -> Floats:
    if link == "log":
        exponential: Floats = np.exp(values)
        return exponential
    if link == "inverse":
        away = np.where(values < 0, np.minimum(values, -SMALLEST_INVERSE), np.maximum(values, SMALLEST_INVERSE))
        inverse: Floats = 1.0 / away
        return inverse
    return values


def _inverse_link_graph(link: str) -> Callable[[Tensor], Tensor]:
    import tensorflow as tf

    def inverse(values: Tensor) -> Tensor:
        away = tf.where(
            values < 0,
            tf.minimum(values, np.float64(-SMALLEST_INVERSE)),
            tf.maximum(values, np.float64(SMALLEST_INVERSE)),
        )
        return 1.0 / away

    functions: dict[str, Callable[[Tensor], Tensor]] = {"log": tf.exp, "inverse": inverse}
    return functions.get(link, lambda values: values)


def forest(model: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    select = gather_columns(model.columns, builder)
    values = forest_values(model.forest, builder, single_precision_input=False, missing=True)
    divisor, offset = builder.variable(model.divisor), builder.variable(model.offset)
    invert = _inverse_link_graph(model.link)

    def predict(X: Tensor) -> Tensor:
        return invert(tf.reduce_sum(values(select(X)), axis=1) / divisor + offset)

    return predict


def linear(model: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    select, invert = gather_columns(model.columns, builder), _inverse_link_graph(model.link)
    weights, intercept = builder.variable(model.weights), builder.variable(model.intercept)
    fill = None if model.fill is None else builder.variable(model.fill)

    def predict(X: Tensor) -> Tensor:
        inputs = select(X)
        if fill is not None:
            inputs = tf.where(tf.math.is_nan(inputs), fill, inputs)
        return invert(tf.reduce_sum(inputs * weights, axis=1) + intercept)

    return predict


def stack(model: Any, builder: Builder) -> TensorFunction:
    import tensorflow as tf

    members, final = [builder.compile(member) for member in model.members], builder.compile(model.final)

    def predict(X: Tensor) -> Tensor:
        return final(tf.stack([member(X) for member in members], axis=1))

    return predict


COMPILERS: dict[str, Compiler] = {"H2OForest": forest, "H2OLinear": linear, "H2OStack": stack}
