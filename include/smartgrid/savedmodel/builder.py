"""Translation of a fitted estimator into a function of TensorFlow tensors.

Every array of a model becomes a variable, never a graph constant: the graph optimizer turns a division by a constant
into a multiplication by its reciprocal, which is off by one bit, and one bit sends a row down the other side of a
tree. Variables also keep the graph small, whatever the size of a forest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Tensor = Any
# [n, columns] float64 -> [n, columns] (a transformer) or [n] (a regressor)
TensorFunction = Callable[[Tensor], Tensor]
Compiler = Callable[[Any, "Builder"], TensorFunction]


class Builder:
    """Collects the variables of one model and compiles its estimators.

    Args:
        compilers: class name of an estimator -> how to translate it.
    """

    def __init__(self, compilers: dict[str, Compiler]) -> None:
        self.variables: list[Any] = []
        self._compilers = compilers

    def variable(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> Any:
        """A variable with `values`, to be read inside the graph."""
        import tensorflow as tf

        variable = tf.Variable(
            np.asarray(values, dtype=dtype), trainable=False, name=f"parameter_{len(self.variables)}"
        )
        self.variables.append(variable)
        return variable

    def compile(self, estimator: Any) -> TensorFunction:
        """The tensor function of a fitted `estimator`.

        Raises:
            NotExportable: it, or a part of it, has no exact translation.
        """
        from smartgrid.savedmodel.supported import estimator_name, refuse_unsupported

        refuse_unsupported(estimator)
        return self._compilers[estimator_name(estimator)](estimator, self)
