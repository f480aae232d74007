"""TPOT: genetic programming over scikit-learn pipelines, within a hard budget.

Every trial is noted as it is scored, and the best one is kept at once, outside TPOT: its own time limit is only looked
at between generations, and its results are only handed out at the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import TrainerTimedOut, checkpoint
from smartgrid.automl.scaled_pipeline import ScaledPipelineRecipe, thinned
from smartgrid.automl.trainer import Budget, NotEnoughHistory, Progress
from smartgrid.features.frame import FeatureFrame
from smartgrid.savedmodel import why_not_exportable

SEARCH_ROWS = 12_000
FIT_ROWS = 20_000
MIN_ROWS = 500
VALIDATION_SHARE = 0.25
# Left of the budget for leaving: a search that ends by itself needs no kill.
RESERVE_S, RESERVE_SHARE = 2.0, 0.05
REPORT_EVERY_S = 5.0


@dataclass
class _Journal:
    """Every scored trial; the best becomes the recipe to return, and the checkpoint of this process."""

    columns: list[int]
    seed: int
    trials: int = 0
    best_score: float = -np.inf
    recipe: ScaledPipelineRecipe | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, pipeline: Any, score: float) -> None:
        from sklearn.base import clone

        with self.lock:
            self.trials += 1
            if score <= self.best_score or why_not_exportable(pipeline) is not None:
                return
            self.best_score = score
            self.recipe = ScaledPipelineRecipe(with_imputer(clone(pipeline)), self.columns, FIT_ROWS, self.seed)
            checkpoint(self.recipe)


# Dask pickles what it runs, even for threads of its own process: a scorer finds its journal by number.
_JOURNALS: dict[int, _Journal] = {}


@dataclass(frozen=True)
class _Scorer:
    """Scores a trial and notes it. Trials run in threads of this process, which is what makes noting possible."""

    journal: int
    __name__ = "negative_mean_absolute_error"

    def __call__(self, pipeline: Any, X: npt.NDArray[np.float64], ratio: npt.NDArray[np.float64]) -> float:
        score = -float(np.mean(np.abs(pipeline.predict(X) - ratio)))
        _JOURNALS[self.journal].note(pipeline, score)
        return score


@dataclass(frozen=True)
class _NewestHeldOut:
    """One split in time: the newest `share` of the rows is held out."""

    share: float

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Any, Any]]:
        from threadpoolctl import threadpool_limits

        # TPOT asks for the split in the thread that is about to fit. OpenMP's limit belongs to a thread: without it
        # every one of the parallel trials would use all cores, and all of them would time out.
        threadpool_limits(1, user_api="openmp")
        cut = round(len(X) * (1 - self.share))
        yield np.arange(cut), np.arange(cut, len(X))


class TpotTrainer:
    """The trainer: searches for a pipeline that predicts load divided by level."""

    name = "tpot"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> ScaledPipelineRecipe:
        """The best pipeline that was scored within `budget.wall_s`.

        Trials are trained on the older three quarters and scored on the newest quarter of at most 12,000 rows, the
        newest preferred; the score is the mean absolute error of load divided by level.

        Raises:
            NotEnoughHistory: fewer than 500 usable rows.
            TrainerTimedOut: not one trial was scored in time.
        """
        started = time.monotonic()
        deadline = started + budget.wall_s - max(RESERVE_S, RESERVE_SHARE * budget.wall_s)
        rows = thinned(frame.trainable(), SEARCH_ROWS, budget.seed)
        if len(rows) < MIN_ROWS:
            raise NotEnoughHistory(
                len(rows) / rows.schema.slots_per_day, MIN_ROWS / rows.schema.slots_per_day, self.name
            )
        columns = [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]
        order = np.argsort(rows.target_time, kind="stable")
        X, ratio = _imputer().fit_transform(rows.X[order][:, columns]), rows.ratio[order]
        names = [frame.schema.names[index] for index in columns]
        journal = _Journal(columns, budget.seed)
        progress(f"searching on {len(X)} rows x {len(columns)} features for {budget.wall_s:.0f} s")

        _JOURNALS[id(journal)] = journal
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tpot")
        evolution = executor.submit(_evolve, X, ratio, names, journal, budget, deadline, progress)
        executor.shutdown(wait=False)
        while not evolution.done() and time.monotonic() < deadline:
            wait([evolution], timeout=max(0.1, min(REPORT_EVERY_S, deadline - time.monotonic())))
            left = max(0.0, deadline - time.monotonic())
            progress(f"{journal.trials} trials, best error {-journal.best_score:.4f} of level, {left:.0f} s left")
        with journal.lock:
            if journal.recipe is None:
                if evolution.done():
                    evolution.result()  # raises what ended the search
                raise TrainerTimedOut(self.name, budget.wall_s)
            progress(f"best of {journal.trials} trials: {journal.recipe.pipeline!r}")
            return journal.recipe


def _evolve(
    X: npt.NDArray[np.float64],
    ratio: npt.NDArray[np.float64],
    names: list[str],
    journal: _Journal,
    budget: Budget,
    deadline: float,
    progress: Progress,
) -> None:
    """Run TPOT until the deadline; trials go to the journal."""
    import warnings

    warnings.filterwarnings("ignore")  # trials that do not converge are part of a search
    import update_checker

    update_checker.update_check = lambda *_: None  # TPOT asks a server for newer versions when it is imported
    import tpot
    from dask.distributed import Client, LocalCluster
    from threadpoolctl import threadpool_limits

    from smartgrid.automl.tpot_search_space import search_space

    cluster = LocalCluster(
        n_workers=1, threads_per_worker=budget.threads, processes=False, dashboard_address=None, silence_logs=50
    )
    left_s = max(1.0, deadline - time.monotonic())
    with threadpool_limits(1, user_api="blas"), cluster, Client(cluster) as client:
        estimator = tpot.TPOTEstimator(
            search_space=search_space(names, budget.seed, threads=1),
            scorers=[_Scorer(id(journal))],
            scorers_weights=[1.0],
            classification=False,
            cv=_NewestHeldOut(VALIDATION_SHARE),
            population_size=16,
            generations=None,
            max_time_mins=left_s / 60,
            max_eval_time_mins=max(5.0, left_s / 4) / 60,
            client=client,
            n_jobs=budget.threads,
            random_state=budget.seed,
            verbose=0,
        )
        estimator.fit(X, ratio)
    progress("search ended")


def _imputer() -> Any:
    """Medians in place of missing values; a column without any value stays, as zeros, so that positions hold."""
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", keep_empty_features=True)


def with_imputer(pipeline: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_imputer(), pipeline)


def search(frame: FeatureFrame, budget: Budget, progress: Progress) -> ScaledPipelineRecipe:
    """TpotTrainer.search as a plain function, for a limited child process."""
    return TpotTrainer().search(frame, budget, progress)
