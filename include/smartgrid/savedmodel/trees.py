"""Many decision trees at once: all trees of all rows walk down one level per step.

Nodes of all trees lie in flat arrays, the two children of a node side by side, so that a step is: read feature and
threshold of the current node, compare, add 0 or 1 to the index of the left child. A leaf is its own left child and
its threshold is infinite, so that a row which has arrived stays there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.savedmodel.builder import Builder, Tensor, TensorFunction

CHUNK_CELLS = 4_000_000  # rows x trees walked at once in NumPy: bounds the memory


@dataclass(frozen=True, slots=True)
class Tree:
    """One fitted tree; node 0 is its root. `left[i] < 0` marks a leaf; a row goes right where its feature is above the
    threshold, and a missing value goes left where `missing_left[i]`."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float64]

    @classmethod
    def from_decision_tree(cls, tree: Any) -> Tree:
        """From the `tree_` of a scikit-learn decision tree."""
        return cls(
            left=tree.children_left,
            right=tree.children_right,
            feature=tree.feature,
            threshold=tree.threshold,
            missing_left=np.asarray(tree.missing_go_to_left, dtype=np.bool_),
            value=tree.value[:, 0, 0],
        )

    @classmethod
    def from_histogram_predictor(cls, predictor: Any) -> Tree:
        """From one predictor of HistGradientBoosting."""
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        return cls(
            left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
            right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
            feature=nodes["feature_idx"].astype(np.int64),
            threshold=nodes["num_threshold"],
            missing_left=nodes["missing_go_to_left"].astype(bool),
            value=nodes["value"],
        )

    def levels(self) -> list[npt.NDArray[np.int64]]:
        """Node indices level by level; the children of a node are neighbours, the left one first."""
        levels, level = [], np.zeros(1, dtype=np.int64)
        while len(level):
            levels.append(level)
            inner = level[self.left[level] >= 0]
            level = np.column_stack([self.left[inner], self.right[inner]]).ravel()
        return levels


@dataclass(frozen=True, slots=True)
class Forest:
    """The nodes of all trees in flat arrays; `root` (trees,) says where each begins, `depth` is that of the deepest."""

    left: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float64]
    root: npt.NDArray[np.int32]
    depth: int

    @classmethod
    def of(cls, trees: list[Tree]) -> Forest:
        parts: list[tuple[Any, ...]] = []
        roots, base, depth = [], 0, 0
        for tree in trees:
            levels = tree.levels()
            order = np.concatenate(levels)
            place = np.zeros(len(tree.left), dtype=np.int64)
            place[order] = base + np.arange(len(order))
            leaf = tree.left[order] < 0
            parts.append(
                (
                    np.where(leaf, place[order], place[tree.left[order]]),
                    np.where(leaf, 0, tree.feature[order]),
                    np.where(leaf, np.inf, tree.threshold[order]),
                    leaf | tree.missing_left[order],
                    tree.value[order],
                )
            )
            roots.append(base)
            base += len(order)
            depth = max(depth, len(levels) - 1)
        left, feature, threshold, missing_left, value = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(
            left.astype(np.int32),
            feature.astype(np.int32),
            threshold.astype(np.float64),
            missing_left,
            value.astype(np.float64),
            np.array(roots, dtype=np.int32),
            depth,
        )

    def sums(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum (n,) over all trees of the leaf that each row (n, k) reaches, added up tree after tree."""
        size = max(1, CHUNK_CELLS // max(1, len(self.root)))
        parts = [self._chunk_sums(X[start : start + size]) for start in range(0, len(X), size)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _chunk_sums(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        row = np.arange(len(X))[:, None]
        node = np.tile(self.root, (len(X), 1))
        for _ in range(self.depth):
            x = X[row, self.feature[node]]
            right = np.where(np.isnan(x), ~self.missing_left[node], x > self.threshold[node])
            node = self.left[node] + right
        sums: npt.NDArray[np.float64] = np.cumsum(self.value[node], axis=1)[:, -1]
        return sums


def tree_values(trees: list[Tree], builder: Builder, *, single_precision_input: bool, missing: bool) -> TensorFunction:
    """As `forest_values`, for single trees."""
    return forest_values(Forest.of(trees), builder, single_precision_input=single_precision_input, missing=missing)


def forest_values(forest: Forest, builder: Builder, *, single_precision_input: bool, missing: bool) -> TensorFunction:
    """A function [n, columns] -> [n, trees]: the value of the leaf that each row reaches in each tree.

    Args:
        single_precision_input: inputs are rounded to float32 before the comparison, as scikit-learn's decision trees
            and forests do (its histogram trees and H2O's trees do not).
        missing: whether a missing value has a direction.
    """
    import tensorflow as tf

    left, feature = builder.variable(forest.left, np.int32), builder.variable(forest.feature, np.int32)
    threshold, value = builder.variable(forest.threshold), builder.variable(forest.value)
    missing_left = builder.variable(forest.missing_left, np.bool_) if missing else None
    root = builder.variable(forest.root[None, :], np.int32)

    def values(X: Tensor) -> Tensor:
        if single_precision_input:
            X = tf.cast(tf.cast(X, tf.float32), tf.float64)
        node = tf.tile(root, [tf.shape(X)[0], 1])
        for _ in range(forest.depth):
            x = tf.gather(X, tf.gather(feature, node), axis=1, batch_dims=1)
            right = x > tf.gather(threshold, node)
            if missing_left is not None:
                right = tf.where(tf.math.is_nan(x), tf.logical_not(tf.gather(missing_left, node)), right)
            node = tf.gather(left, node) + tf.cast(right, tf.int32)
        return tf.gather(value, node)

    return values
