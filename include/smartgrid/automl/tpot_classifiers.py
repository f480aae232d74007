"""The pipelines that TPOT may compose to tell classes apart: a scaler, a selector, a classifier with probabilities.

TPOT's own spaces draw combinations that scikit-learn refuses; these do not.
"""

from __future__ import annotations

from typing import Any

from smartgrid.automl.tpot_search_space import choice, node, passthrough, scalers


def search_space(seed: int) -> Any:
    """A TPOT search space over numbers without missing values."""
    from tpot.search_spaces.pipelines import SequentialPipeline

    return SequentialPipeline([choice([*scalers(), passthrough()]), choice(_selectors()), choice(_classifiers(seed))])


def _selectors() -> list[Any]:
    from ConfigSpace import ConfigurationSpace, Integer
    from sklearn.feature_selection import SelectPercentile, f_classif
    from tpot.search_spaces.nodes import EstimatorNode

    from smartgrid.automl.tpot_search_space import with_score_function

    percentile = ConfigurationSpace({"percentile": Integer("percentile", (20, 95))})
    return [EstimatorNode(SelectPercentile, percentile, with_score_function(f_classif)), passthrough()]


def _classifiers(seed: int) -> list[Any]:
    from ConfigSpace import Categorical, Float, Integer
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    forest = {
        "n_estimators": Integer("n_estimators", (30, 150)),
        "max_depth": Integer("max_depth", (4, 20)),
        "min_samples_leaf": Integer("min_samples_leaf", (1, 20)),
        "max_features": Float("max_features", (0.1, 1.0)),
        "random_state": seed,
    }
    return [
        node(LogisticRegression, {"C": Float("C", (1e-3, 1e3), log=True), "max_iter": 300, "random_state": seed}),
        node(RandomForestClassifier, forest),
        node(ExtraTreesClassifier, forest),
        node(
            HistGradientBoostingClassifier,
            {
                "learning_rate": Float("learning_rate", (0.02, 0.3), log=True),
                "max_iter": Integer("max_iter", (30, 150)),
                "max_leaf_nodes": Integer("max_leaf_nodes", (4, 32)),
                "min_samples_leaf": Integer("min_samples_leaf", (3, 60), log=True),
                "early_stopping": False,
                "random_state": seed,
            },
        ),
        node(
            KNeighborsClassifier,
            {
                "n_neighbors": Integer("n_neighbors", (1, 30)),
                "weights": Categorical("weights", ["uniform", "distance"]),
            },
        ),
        node(GaussianNB, {}),
    ]
