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


@dataclass(frozen=True, slots=True)
class Tree:
    """One fitted tree. `left[i] < 0` marks a leaf; a missing value goes left where `missing_left[i]`."""

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


@dataclass(slots=True)
class _Flat:
    """The nodes of all trees in breadth-first order."""

    left: list[int]
    feature: list[int]
    threshold: list[float]
    missing_left: list[bool]
    value: list[float]

    def append(self, tree: Tree) -> int:
        """Add a tree and return its depth."""
        order, levels = [0], [0]
        base = len(self.left)
        # Children are appended in pairs, so the right one always follows the left one.
        for node, level in zip(order, levels, strict=False):
            if tree.left[node] >= 0:
                order += [int(tree.left[node]), int(tree.right[node])]
                levels += [level + 1, level + 1]
        place = {node: base + position for position, node in enumerate(order)}
        for node in order:
            leaf = tree.left[node] < 0
            self.left.append(place[node] if leaf else place[int(tree.left[node])])
            self.feature.append(0 if leaf else int(tree.feature[node]))
            self.threshold.append(np.inf if leaf else float(tree.threshold[node]))
            self.missing_left.append(True if leaf else bool(tree.missing_left[node]))
            self.value.append(float(tree.value[node]))
        return max(levels)


def tree_values(trees: list[Tree], builder: Builder, *, single_precision_input: bool, missing: bool) -> TensorFunction:
    """A function [n, columns] -> [n, trees]: the value of the leaf that each row reaches in each tree.

    Args:
        single_precision_input: inputs are rounded to float32 before the comparison, as scikit-learn's decision trees
            and forests do (its histogram trees do not).
        missing: whether a missing value has a direction.
    """
    import tensorflow as tf

    flat = _Flat([], [], [], [], [])
    roots, depth = [], 0
    for tree in trees:
        roots.append(len(flat.left))
        depth = max(depth, flat.append(tree))
    left, feature = builder.variable(flat.left, np.int32), builder.variable(flat.feature, np.int32)
    threshold, value = builder.variable(flat.threshold), builder.variable(flat.value)
    missing_left = builder.variable(flat.missing_left, np.bool_) if missing else None
    root = builder.variable(np.array(roots)[None, :], np.int32)

    def values(X: Tensor) -> Tensor:
        if single_precision_input:
            X = tf.cast(tf.cast(X, tf.float32), tf.float64)
        node = tf.tile(root, [tf.shape(X)[0], 1])
        for _ in range(depth):
            x = tf.gather(X, tf.gather(feature, node), axis=1, batch_dims=1)
            right = x > tf.gather(threshold, node)
            if missing_left is not None:
                right = tf.where(tf.math.is_nan(x), tf.logical_not(tf.gather(missing_left, node)), right)
            node = tf.gather(left, node) + tf.cast(right, tf.int32)
        return tf.gather(value, node)

    return values
