"""Which estimators, with which parameters and weights, a model on H2O's leaderboard consists of."""

from __future__ import annotations

from typing import Any

from smartgrid.automl.h2o_cluster import H2OCluster
from smartgrid.automl.h2o_recipe import Member

MOST_MEMBERS = 5  # of a stack: each is fitted anew every week of a backtest, and served
MOST_NODES = 1_500_000  # of all trees together: 25 bytes each, so that the SavedModel stays below 50 MB

# What makes a tree model, as H2O calls it. All else is H2O's default or belongs to the search.
_TREE_PARAMETERS = (
    "max_depth",
    "min_rows",
    "nbins",
    "nbins_top_level",
    "nbins_cats",
    "sample_rate",
    "col_sample_rate_per_tree",
    "col_sample_rate_change_per_level",
    "min_split_improvement",
    "histogram_type",
    "seed",
)
_PARAMETERS = {
    "drf": (*_TREE_PARAMETERS, "mtries"),
    "gbm": (*_TREE_PARAMETERS, "learn_rate", "learn_rate_annealing", "col_sample_rate", "distribution"),
    "glm": ("standardize", "missing_values_handling", "family", "link", "seed"),
}


def is_stack(name: str) -> bool:
    """Whether a model on the board is a stacked ensemble."""
    return name.startswith("StackedEnsemble")


def combination_of(cluster: H2OCluster, name: str) -> tuple[tuple[Member, ...], tuple[float, ...], float] | None:
    """Members of a model on the board, with weights and intercept; None if it is too large.

    Raises:
        H2OFailed
    """
    import h2o

    with cluster.calling(f"reading {name}"):
        model = h2o.get_model(name)
        if not is_stack(name):
            return ((_member(model),), (1.0,), 0.0) if _nodes(model) <= MOST_NODES else None
        coefficients = dict(h2o.get_model(model.metalearner().model_id).coef())
    intercept = float(coefficients.pop("Intercept"))
    used = {member: float(weight) for member, weight in coefficients.items() if weight != 0.0}
    if not 1 <= len(used) <= MOST_MEMBERS:
        return None
    with cluster.calling(f"reading the members of {name}"):
        models = [h2o.get_model(member) for member in used]
        if sum(_nodes(member) for member in models) > MOST_NODES:
            return None
        return tuple(_member(member) for member in models), tuple(used.values()), intercept


def _nodes(model: Any) -> float:
    """About how many nodes the trees of a model have."""
    summary = _summary(model)
    return float(2 * summary["number_of_trees"] * summary["mean_leaves"]) if "mean_leaves" in summary else 0.0


def _member(model: Any) -> Member:
    actual = {name: values["actual"] for name, values in model.params.items()}
    parameters = {name: actual[name] for name in _PARAMETERS[model.algo] if actual.get(name) is not None}
    parameters = {name: value.lower() if isinstance(value, str) else value for name, value in parameters.items()}
    if model.algo == "glm":
        output = model._model_json["output"]
        parameters |= {"alpha": [output["alpha_best"]], "lambda_": [output["lambda_best"]]}
    else:
        trees = int(_summary(model)["number_of_trees"])  # where it stopped early
        parameters |= {"ntrees": trees, "score_tree_interval": trees}  # scored once: nobody looks at the others
    return Member(model.algo, parameters)


def _summary(model: Any) -> dict[str, Any]:
    table = model._model_json["output"]["model_summary"]
    return dict(zip(table.col_header, table.cell_values[0], strict=True))
