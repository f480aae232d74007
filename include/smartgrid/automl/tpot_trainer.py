"""TPOT: genetic programming over scikit-learn pipelines, within a hard budget."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.linear_bar import linear_bar
from smartgrid.automl.progress import Progress
from smartgrid.automl.scaled_pipeline import ScaledPipelineRecipe, thinned
from smartgrid.automl.stopping import EarlyStopping
from smartgrid.automl.tpot_search import (
    NAME,
    VALIDATION_SHARE,
    Search,
    deadline_of,
    imputer,
    load_tpot,
    run_tpot,
    steps_of,
    with_imputer,
)
from smartgrid.automl.trainer import Budget, BudgetTooSmall, ConstantLoad, NotEnoughHistory, SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.savedmodel import exportable

SEARCH_ROWS = 12_000
FIT_ROWS = 20_000
MIN_ROWS = 500
MIN_BUDGET_S = 5.0
PATIENCE = 120


class TpotTrainer:
    """The trainer: searches for a pipeline that predicts load divided by level."""

    name = NAME
    library = "tpot"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> ScaledPipelineRecipe:
        """The best pipeline that was scored within `budget.wall_s`; loading the library is not counted.

        Trials are trained on the older three quarters and scored on the newest quarter of at most 12,000 rows, the
        newest preferred; the score is the mean absolute error of load divided by level.

        Raises:
            BudgetTooSmall, ConstantLoad
            NotEnoughHistory: fewer than 500 usable rows.
            TrainerUnavailable: TPOT cannot be imported.
            EveryTrialFailed, TrainerTimedOut: not one trial was scored.
        """
        rows = thinned(frame.trainable(), budget.search_rows or SEARCH_ROWS, budget.seed)
        if len(rows) < MIN_ROWS:
            per_day = rows.schema.slots_per_day
            raise NotEnoughHistory(len(rows) / per_day, MIN_ROWS / per_day, self.name)
        if budget.wall_s < MIN_BUDGET_S:
            raise BudgetTooSmall(self.name, budget.wall_s, MIN_BUDGET_S)
        if float(rows.ratio.std()) < 1e-9:
            raise ConstantLoad(self.name, len(rows))
        load_tpot()
        from smartgrid.automl.tpot_search_space import search_space

        began = time.monotonic()
        columns = [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]
        order = np.argsort(rows.target_time, kind="stable")
        X, ratio = imputer().fit_transform(rows.X[order][:, columns]), rows.ratio[order]
        cut = round(len(X) * (1 - VALIDATION_SHARE))
        bar = linear_bar(frame, rows.where(np.isin(np.arange(len(rows)), order[cut:])))
        progress(
            f"searching on {len(X)} rows x {len(columns)} features for {budget.wall_s:.0f} s; linear bar {bar:.4f}"
        )
        found: list[ScaledPipelineRecipe] = []

        def keep(pipeline: Any, error: float, trial: int) -> None:
            from sklearn.base import clone

            summary = SearchSummary(trial, steps_of(pipeline), error)
            found[:] = [ScaledPipelineRecipe(with_imputer(clone(pipeline)), columns, FIT_ROWS, budget.seed, summary)]
            checkpoint(found[0])

        search = Search(
            budget=budget,
            deadline=deadline_of(began, budget.wall_s),
            progress=progress,
            stopping=EarlyStopping(budget.patience or PATIENCE, bar),
            error=mean_absolute_error,
            keep=keep,
            allowed=exportable,
        )
        names = [frame.schema.names[index] for index in columns]
        run_tpot(search, search_space(names, budget.seed, threads=1), X, ratio)
        with search.lock:
            recipe = found[0]
            assert recipe.summary is not None
            summary = replace(recipe.summary, trials=search.trials, failed=search.failed(), stopped=search.stopped)
        progress(f"best of {summary.trials} trials ({summary.failed} failed): {recipe.pipeline!r}")
        return replace(recipe, summary=summary)


def mean_absolute_error(pipeline: Any, X: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(pipeline.predict(X) - y)))


def search(frame: FeatureFrame, budget: Budget, progress: Progress) -> ScaledPipelineRecipe:
    """TpotTrainer.search as a plain function, for a limited child process."""
    return TpotTrainer().search(frame, budget, progress)
