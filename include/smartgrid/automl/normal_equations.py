"""Ridge regressions of many groups at once, from their cross products.

A group here is the same hour of the day of one zone: some 1,100 rows of 130 columns, 500 groups, refitted every week of
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
    target_squared: Floats

    @classmethod
    def empty(cls, groups: int, columns: int) -> CrossProducts:
        return cls(
            np.zeros(groups),
            np.zeros((groups, columns)),
            np.zeros((groups, columns, columns)),
            np.zeros((groups, columns)),
            np.zeros(groups),
            np.zeros(groups),
        )

    def add(self, group: int, inputs: Floats, target: Floats) -> None:
        """Add rows `inputs` (m, k), `target` (m,) to a group."""
        self.count[group] += len(target)
        self.inputs[group] += inputs.sum(axis=0)
        self.products[group] += inputs.T @ inputs
        self.with_target[group] += inputs.T @ target
        self.target[group] += target.sum()
        self.target_squared[group] += target @ target

    def pool(self, into: int, groups: list[int]) -> None:
        """Make a group the sum of others."""
        for name in ("count", "inputs", "products", "with_target", "target", "target_squared"):
            values = getattr(self, name)
            values[into] = values[groups].sum(axis=0)

    def standardised(self, group: int) -> tuple[Floats, Floats, float, Floats, Floats]:
        """Of centred inputs with deviation 1: their products (k, k), with the centred target (k,), its square, and
        the mean and scale (k,) that were taken out. Columns that never change get an infinite scale."""
        count = self.count[group]
        mean = self.inputs[group] / count
        variance = np.maximum(np.diag(self.products[group]) / count - mean**2, 0.0)
        # Below this, cancellation in the sums is all that is left of a constant column.
        scale = np.where(variance > 1e-12 * (1.0 + mean**2), np.sqrt(variance), np.inf)
        products = (self.products[group] - count * np.outer(mean, mean)) / np.outer(scale, scale)
        target_mean = self.target[group] / count
        with_target = (self.with_target[group] - count * mean * target_mean) / scale
        return products, with_target, float(self.target_squared[group] - count * target_mean**2), mean, scale


def solve(sums: CrossProducts, group: int, alpha: float) -> tuple[Floats, float]:
    """Weights (k,) in the units of the inputs and intercept of one group's ridge regression."""
    products, with_target, _, mean, scale = sums.standardised(group)
    penalised = products + alpha * np.eye(len(mean))
    weights = np.linalg.solve(penalised, with_target) / scale
    return weights, float(sums.target[group] / sums.count[group] - mean @ weights)


def best_alpha(sums: CrossProducts, group: int, alphas: Floats) -> float:
    """The penalty with the smallest generalised cross-validation error (Golub, Heath and Wahba, Technometrics 21(2),
    1979), from one eigendecomposition."""
    products, with_target, target_squared, _, _ = sums.standardised(group)
    values, vectors = np.linalg.eigh(products)
    values = np.maximum(values, 0.0)
    projected = (vectors.T @ with_target) ** 2
    shrunk = values[None, :] + alphas[:, None]
    residual = target_squared - (2 * projected / shrunk).sum(axis=1) + (values * projected / shrunk**2).sum(axis=1)
    freedom = sums.count[group] - 1.0 - (values / shrunk).sum(axis=1)
    error = np.where(freedom > 0, residual / np.maximum(freedom, 1e-9) ** 2, np.inf)
    return float(alphas[int(np.argmin(error))])
