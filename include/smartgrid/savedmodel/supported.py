"""Which estimators have an exact translation. Works on estimators before they are fitted, so that a search space can
be restricted beforehand instead of losing a winner afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from smartgrid.savedmodel import composition, h2o_models, linear_models, scalers, selectors, tree_models
from smartgrid.savedmodel.builder import Compiler
from smartgrid.savedmodel.errors import NotExportable

COMPILERS: dict[str, Compiler] = {
    **composition.COMPILERS,
    **h2o_models.COMPILERS,
    **linear_models.COMPILERS,
    **scalers.COMPILERS,
    **selectors.COMPILERS,
    **tree_models.COMPILERS,
}
# Only these libraries' classes: another class of the same name may compute something else.
LIBRARIES = ("sklearn", "tpot", "smartgrid")


def estimator_name(estimator: Any) -> str:
    return type(estimator).__name__


def exportable(estimator: Any) -> bool:
    """Whether `estimator`, fitted or not, can be exported exactly."""
    return why_not_exportable(estimator) is None


def why_not_exportable(estimator: Any) -> str | None:
    """What stands in the way of an exact export, naming the estimator; None if nothing does."""
    for part in _parts(estimator):
        reason = _own_problem(part)
        if reason is not None:
            return f"{estimator_name(part)}: {reason}"
    return None


def refuse_unsupported(estimator: Any) -> None:
    """Raise NotExportable for the estimator itself; its parts are looked at when they are compiled."""
    reason = _own_problem(estimator)
    if reason is not None:
        raise NotExportable(estimator_name(estimator), reason)


def _own_problem(estimator: Any) -> str | None:
    name = estimator_name(estimator)
    if type(estimator).__module__.partition(".")[0] not in LIBRARIES or name not in COMPILERS:
        return "no exact translation is known"
    check = _CHECKS.get(name)
    return check(estimator) if check else None


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator and every estimator that takes part in its prediction."""
    yield estimator
    children: list[Any] = []
    name = estimator_name(estimator)
    if name == "Pipeline":
        children = [step for _, step in estimator.steps]
    elif name == "FeatureUnion":
        children = [transformer for _, transformer in estimator.transformer_list]
    elif name == "ColumnTransformer":
        children = [transformer for _, transformer, _ in estimator.transformers] + [estimator.remainder]
    elif name in ("StackingRegressor", "VotingRegressor"):
        children = [member for _, member in estimator.estimators]
        children.append(getattr(estimator, "final_estimator", None))
    elif name in ("EstimatorTransformer", "AdaBoostRegressor"):
        children = [estimator.estimator]
    for child in children:
        if child is not None and not isinstance(child, str):
            yield from _parts(child)


def _imputer(estimator: Any) -> str | None:
    missing = estimator.missing_values
    if missing == missing:  # NaN is the only value that differs from itself
        return f"missing_values={missing!r}; only NaN is supported"
    return "add_indicator=True is not supported" if estimator.add_indicator else None


def _histogram(estimator: Any) -> str | None:
    categorical = estimator.categorical_features
    if categorical is not None and not (isinstance(categorical, str) and categorical == "from_dtype"):
        return "categorical features are not supported"
    return None


def _gradient_boosting(estimator: Any) -> str | None:
    init = estimator.init
    return None if init is None or isinstance(init, str) else "an init estimator is not supported"


def _stacking(estimator: Any) -> str | None:
    return "cv='prefit' is not supported" if estimator.cv == "prefit" else None


def _function(estimator: Any) -> str | None:
    return None if estimator.func is None else "a function of one's own cannot be translated"


def _estimator_transformer(estimator: Any) -> str | None:
    return None if estimator.method in ("auto", "predict") else f"method={estimator.method!r} is not supported"


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "EstimatorTransformer": _estimator_transformer,
    "FunctionTransformer": _function,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingRegressor": _histogram,
    "SimpleImputer": _imputer,
    "StackingRegressor": _stacking,
}
