"""Ridge regressions of many groups at once, from their cross products.

A group here is the same hour of the day of one zone: some 1,100 rows of 160 columns, 500 groups, refitted every week of
a backtest. Cross products are additive, so the pooled regression of all zones costs nothing more, and one batched
solve a group replaces 500 fits with their checks and copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class CrossProducts:
    """Sums over the rows of each of n groups: of inputs (n, k), products (n, k, k), with the target (n, k)."""

    count: Floats
    inputs: Floats
    products: Floats
    with_target: Floats
    target: Floats

    @classmethod
    def empty(cls, groups: int, columns: int) -> CrossProducts:
        return cls(
            np.zeros(groups),
            np.zeros((groups, columns)),
            np.zeros((groups, columns, columns)),
            np.zeros((groups, columns)),
            np.zeros(groups),
        )

    def add(self, group: int, inputs: Floats, target: Floats) -> None:
        """Add rows `inputs` (m, k), `target` (m,) to a group."""
        self.count[group] += len(target)
        self.inputs[group] += inputs.sum(axis=0)
        self.products[group] += inputs.T @ inputs
        self.with_target[group] += inputs.T @ target
        self.target[group] += target.sum()

    def pool(self, into: int, groups: list[int]) -> None:
        """Make a group the sum of others."""
        for name in ("count", "inputs", "products", "with_target", "target"):
            values = getattr(self, name)
            values[into] = values[groups].sum(axis=0)

    def first(self, columns: int) -> CrossProducts:
        """The same sums of the first `columns` inputs alone."""
        return CrossProducts(
            self.count,
            self.inputs[:, :columns],
            self.products[:, :columns, :columns],
            self.with_target[:, :columns],
            self.target,
        )

    def less(self, column: int) -> CrossProducts:
        """The sums with the input `column` taken from the target. A ridge on them is drawn towards that input instead
        of towards a constant."""
        return CrossProducts(
            self.count,
            self.inputs,
            self.products,
            self.with_target - self.products[:, :, column],
            self.target - self.inputs[:, column],
        )

    def standardised(self, group: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Of centred inputs with deviation 1: their products (k, k), those with the centred target (k,), and the mean
        and scale (k,) that were taken out. Columns that never change get an infinite scale."""
        count = self.count[group]
        mean = self.inputs[group] / count
        variance = np.maximum(np.diag(self.products[group]) / count - mean**2, 0.0)
        # Below this, cancellation in the sums is all that is left of a constant column.
        scale = np.where(variance > 1e-12 * (1.0 + mean**2), np.sqrt(variance), np.inf)
        products = (self.products[group] - count * np.outer(mean, mean)) / np.outer(scale, scale)
        target_mean = self.target[group] / count
        with_target = (self.with_target[group] - count * mean * target_mean) / scale
        return products, with_target, mean, scale


def solve(sums: CrossProducts, group: int, alpha: float | Floats) -> tuple[Floats, float]:
    """Weights (k,) in the units of the inputs and intercept of one group's ridge regression; `alpha` is one penalty or
    that of each column (k,)."""
    products, with_target, mean, scale = sums.standardised(group)
    products.flat[:: len(mean) + 1] += alpha
    weights = np.linalg.solve(products, with_target) / scale
    return weights, float(sums.target[group] / sums.count[group] - mean @ weights)
