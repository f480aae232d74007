"""The pipelines that TPOT may compose: only such as can be exported exactly, and capped so that they stay small.

Projections (PCA) and products are followed by linear models only. Before a tree they would gain nothing, and a tree
cuts where two training values meet: the last bit of a matrix product would decide the side.
"""

from __future__ import annotations

from typing import Any

MOST_POLYNOMIAL_INPUTS = 30
FEWEST_TO_REDUCE = 6  # columns; below, there is nothing to project or to choose from


def search_space(names: list[str], seed: int, threads: int) -> Any:
    """A TPOT search space over the numeric columns `names`, without missing values.

    GradientBoosting is defined here because TPOT's own definition names a loss that scikit-learn no longer has.
    """
    from tpot.search_spaces.pipelines import ChoicePipeline, SequentialPipeline

    scaler = choice(scalers())
    linear = choice(_linear_models(seed))
    trees = choice(_tree_models(seed, threads))
    n_features, columns = len(names), tree_columns(names)
    selector = choice([*_selectors(), passthrough()])
    linear_pipelines = [SequentialPipeline([scaler, selector, linear])]
    if n_features >= FEWEST_TO_REDUCE:
        linear_pipelines += [
            SequentialPipeline([scaler, _pca(n_features, seed), linear]),
            SequentialPipeline([_best_k(min(MOST_POLYNOMIAL_INPUTS, n_features)), _products(), scaler, linear]),
        ]
    tree_pipelines = SequentialPipeline([_kept_columns(columns), selector, trees])
    # Two to one, because trees usually win here and a short search sees a few dozen trials.
    return ChoicePipeline([tree_pipelines, tree_pipelines, ChoicePipeline(linear_pipelines)])


def tree_columns(names: list[str]) -> list[int]:
    """Columns that tell a tree something: squares and hinges of a column cut where the column itself does.

    >>> tree_columns(["slot", "temperature_now", "temperature_now_squared", "temperature_now_above_18c"])
    [0, 1]
    """
    derived = ("_squared", "_above_", "_x_")
    return [index for index, name in enumerate(names) if not any(mark in name for mark in derived)]


def _kept_columns(columns: list[int]) -> Any:
    from sklearn.compose import ColumnTransformer
    from tpot.search_spaces.nodes import EstimatorNode

    return EstimatorNode(ColumnTransformer, {"transformers": [("kept", "passthrough", columns)]})


def choice(nodes: list[Any]) -> Any:
    from tpot.search_spaces.pipelines import ChoicePipeline

    return ChoicePipeline(nodes)


def node(estimator: type, space: dict[str, Any]) -> Any:
    from ConfigSpace import ConfigurationSpace
    from tpot.search_spaces.nodes import EstimatorNode

    return EstimatorNode(estimator, ConfigurationSpace(space) if space else {})


def scalers() -> list[Any]:
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    return [node(scaler, {}) for scaler in (StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler)]


def passthrough() -> Any:
    from tpot.builtin_modules import Passthrough

    return node(Passthrough, {})


def _selectors() -> list[Any]:
    from ConfigSpace import Float, Integer
    from sklearn.feature_selection import SelectFwe, SelectPercentile, VarianceThreshold, f_regression
    from tpot.search_spaces.nodes import EstimatorNode

    score = with_score_function(f_regression)
    return [
        EstimatorNode(SelectPercentile, _space({"percentile": Integer("percentile", (20, 95))}), score),
        EstimatorNode(SelectFwe, _space({"alpha": Float("alpha", (1e-6, 0.05), log=True)}), score),
        node(VarianceThreshold, {"threshold": Float("threshold", (1e-6, 0.05), log=True)}),
    ]


def _best_k(most: int) -> Any:
    from ConfigSpace import Integer
    from sklearn.feature_selection import SelectKBest, f_regression
    from tpot.search_spaces.nodes import EstimatorNode

    return EstimatorNode(SelectKBest, _space({"k": Integer("k", (2, most))}), with_score_function(f_regression))


def _space(space: dict[str, Any]) -> Any:
    from ConfigSpace import ConfigurationSpace

    return ConfigurationSpace(space)


class with_score_function:  # noqa: N801 - reads as a function; a class so that Dask can pickle it
    """Hyperparameters plus a score function, which a search space cannot hold."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"score_func": self.function, **parameters}


def _pca(n_features: int, seed: int) -> Any:
    from ConfigSpace import Integer
    from sklearn.decomposition import PCA

    return node(PCA, {"n_components": Integer("n_components", (2, max(3, n_features // 2))), "random_state": seed})


def _products() -> Any:
    from ConfigSpace import Categorical
    from sklearn.preprocessing import PolynomialFeatures

    return node(
        PolynomialFeatures,
        {"degree": 2, "include_bias": False, "interaction_only": Categorical("interaction_only", [True, False])},
    )


def _linear_models(seed: int) -> list[Any]:
    from ConfigSpace import Float
    from sklearn.linear_model import ElasticNet, LassoLars, Ridge
    from sklearn.svm import LinearSVR

    return [
        node(Ridge, {"alpha": Float("alpha", (1e-3, 1e3), log=True)}),
        node(
            ElasticNet,
            {
                "alpha": Float("alpha", (1e-6, 1e-2), log=True),
                "l1_ratio": Float("l1_ratio", (0.05, 1.0)),
                "max_iter": 300,
                "random_state": seed,
            },
        ),
        node(LassoLars, {"alpha": Float("alpha", (1e-6, 1e-3), log=True)}),
        node(
            LinearSVR,
            {
                "C": Float("C", (1e-3, 10.0), log=True),
                "epsilon": Float("epsilon", (1e-4, 1e-1), log=True),
                "max_iter": 300,
                "dual": True,
                "random_state": seed,
            },
        ),
    ]


def _tree_models(seed: int, threads: int) -> list[Any]:
    from ConfigSpace import Categorical, Float, Integer
    from sklearn.ensemble import (
        ExtraTreesRegressor,
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
        RandomForestRegressor,
    )
    from sklearn.tree import DecisionTreeRegressor

    forest = {
        "n_estimators": Integer("n_estimators", (20, 60)),
        "max_depth": Integer("max_depth", (6, 14)),
        "min_samples_leaf": Integer("min_samples_leaf", (2, 20)),
        "max_features": Float("max_features", (0.1, 0.7)),
        "n_jobs": threads,
        "random_state": seed,
    }
    # Listed twice below, for the same reason as above.
    boosting = node(
        HistGradientBoostingRegressor,
        {
            "loss": Categorical("loss", ["squared_error", "absolute_error"]),
            "learning_rate": Float("learning_rate", (0.03, 0.3), log=True),
            "max_iter": Integer("max_iter", (60, 300)),
            "max_leaf_nodes": Integer("max_leaf_nodes", (8, 48)),
            "max_depth": 8,
            "min_samples_leaf": Integer("min_samples_leaf", (5, 80), log=True),
            "l2_regularization": Float("l2_regularization", (1e-6, 10.0), log=True),
            "max_features": Float("max_features", (0.2, 1.0)),
            "early_stopping": False,
            "random_state": seed,
        },
    )
    return [
        boosting,
        boosting,
        node(
            GradientBoostingRegressor,
            {
                "loss": Categorical("loss", ["squared_error", "absolute_error", "huber"]),
                "learning_rate": Float("learning_rate", (0.03, 0.3), log=True),
                "n_estimators": Integer("n_estimators", (40, 120)),
                "max_depth": Integer("max_depth", (3, 6)),
                "max_features": Float("max_features", (0.05, 0.2)),
                "subsample": Float("subsample", (0.3, 0.7)),
                "random_state": seed,
            },
        ),
        node(ExtraTreesRegressor, forest),
        node(RandomForestRegressor, {**forest, "max_samples": Float("max_samples", (0.2, 0.7))}),
        node(
            DecisionTreeRegressor,
            {
                "max_depth": Integer("max_depth", (5, 14)),
                "min_samples_leaf": Integer("min_samples_leaf", (5, 60), log=True),
                "random_state": seed,
            },
        ),
    ]
