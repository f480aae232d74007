"""TPOT on plain numbers (n, k), for regression and classification."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.progress import Progress
from smartgrid.automl.stopping import EarlyStopping
from smartgrid.automl.tpot_search import (
    NAME,
    Search,
    deadline_of,
    imputer,
    load_tpot,
    run_tpot,
    steps_of,
    with_imputer,
)
from smartgrid.automl.tpot_trainer import mean_absolute_error
from smartgrid.automl.trainer import Budget, BudgetTooSmall
from smartgrid.savedmodel import exportable

Floats = npt.NDArray[np.float64]

MIN_BUDGET_S = 5.0
PATIENCE = 150


@dataclass
class ArrayPipeline:
    """A fitted scikit-learn pipeline and how it was found; `classes` is None for regression."""

    pipeline: Any
    classes: int | None
    error: float
    name: str

    def predict(self, X: Floats) -> Floats:
        return np.asarray(self.pipeline.predict(X), dtype=np.float64).reshape(-1)

    def predict_proba(self, X: Floats) -> Floats:
        """Probabilities (n, classes); a class that no row of training had gets none."""
        assert self.classes is not None
        probabilities = np.zeros((len(X), self.classes))
        probabilities[:, self.pipeline.classes_.astype(np.int64)] = self.pipeline.predict_proba(X)
        return probabilities


def search(X: Floats, y: npt.NDArray[Any], classes: int | None, budget: Budget, progress: Progress) -> ArrayPipeline:
    """The best pipeline within `budget.wall_s`, fitted on all rows; a shuffled quarter is held out to score trials.

    Errors are mean absolute errors, or shares of wrong classes. Regression pipelines are such as can be exported.

    Raises:
        BudgetTooSmall, TrainerUnavailable, EveryTrialFailed, TrainerTimedOut
    """
    if budget.wall_s < MIN_BUDGET_S:
        raise BudgetTooSmall(NAME, budget.wall_s, MIN_BUDGET_S)
    load_tpot()
    from sklearn.pipeline import make_pipeline

    from smartgrid.automl import tpot_classifiers, tpot_search_space

    began = time.monotonic()
    order = np.random.default_rng(budget.seed).permutation(len(X))
    filler = imputer().fit(X)
    filled, target = filler.transform(X)[order], y[order]
    best: list[ArrayPipeline] = []

    def keep(pipeline: Any, error: float, _trial: int) -> None:
        best[:] = [ArrayPipeline(pipeline, classes, error, steps_of(pipeline))]
        checkpoint(ArrayPipeline(make_pipeline(filler, pipeline), classes, error, steps_of(pipeline)))

    names = [f"x{index}" for index in range(X.shape[1])]
    space = (
        tpot_search_space.search_space(names, budget.seed, threads=1)
        if classes is None
        else tpot_classifiers.search_space(budget.seed)
    )
    search_ = Search(
        budget=budget,
        deadline=deadline_of(began, budget.wall_s),
        progress=progress,
        stopping=EarlyStopping(budget.patience or PATIENCE),
        error=mean_absolute_error if classes is None else _wrong_share,
        keep=keep,
        allowed=exportable if classes is None else lambda _: True,
        unit="",
    )
    run_tpot(search_, space, filled, target, classification=classes is not None)
    with search_.lock:
        found = best[0]
    return ArrayPipeline(_fitted(found.pipeline, X, y), classes, found.error, found.name)


def _fitted(pipeline: Any, X: Floats, y: npt.NDArray[Any]) -> Any:
    from sklearn.base import clone

    return with_imputer(clone(pipeline)).fit(X, y)


def _wrong_share(pipeline: Any, X: Floats, y: npt.NDArray[Any]) -> float:
    return float(np.mean(pipeline.predict(X) != y))
