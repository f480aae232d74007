"""One run of TPOT, watched: every trial is noted as it is scored, and the search ends when it should.

TPOT's own time limit is only looked at between generations, its results are only handed out at the end, and what goes
wrong in a trial it keeps to itself. Trials run in threads of this process, so that each can be noted at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import TrainerTimedOut
from smartgrid.automl.progress import Progress, report_trial
from smartgrid.automl.stopping import EarlyStopping
from smartgrid.automl.trainer import Budget, EveryTrialFailed, TrainerUnavailable

NAME = "tpot"
Floats = npt.NDArray[np.float64]

VALIDATION_SHARE = 0.25
# Left of the budget for leaving: a search that ends by itself needs no kill.
RESERVE_S, RESERVE_SHARE = 2.0, 0.05
REPORT_EVERY_S = 10.0


@dataclass
class Search:
    """A search and its journal.

    `error` scores a fitted pipeline (smaller is better); `keep` is given each unfitted pipeline that is the best so
    far, its error and its number; `allowed` says whether a pipeline may be kept. `started` counts trials that began:
    those that never come back with a score failed, or are still running.
    """

    budget: Budget
    deadline: float
    progress: Progress
    stopping: EarlyStopping
    error: Callable[[Any, Floats, Any], float]
    keep: Callable[[Any, float, int], None]
    allowed: Callable[[Any], bool] = lambda _: True
    unit: str = "of level"
    started: int = 0
    trials: int = 0
    best_error: float = float("inf")
    stopped: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        with self.lock:
            self.started += 1

    def note(self, pipeline: Any, error: float) -> None:
        with self.lock:
            self.trials += 1
            self.stopping.note(error)
            left_s = self.deadline - time.monotonic()
            report_trial(self.progress, self.trials, error, left_s, steps_of(pipeline), self.unit)
            if error < self.best_error and self.allowed(pipeline):
                self.best_error = error
                self.keep(pipeline, error, self.trials)

    def failed(self) -> int:
        """Trials that began and never scored, but for those that may still be running."""
        return max(0, self.started - self.trials - self.budget.threads)

    def state(self) -> str:
        best = "none scored yet" if self.trials == 0 else f"best error {self.best_error:.4f} {self.unit}".rstrip()
        left_s = max(0.0, self.deadline - time.monotonic())
        return f"{self.trials} trials, {best}, {self.failed()} failed, {left_s:.0f} s left"


def deadline_of(began: float, wall_s: float) -> float:
    """When a search that began then has to end, to be out within `wall_s`."""
    return began + wall_s - max(RESERVE_S, RESERVE_SHARE * wall_s)


def load_tpot() -> None:
    """Import the libraries, so that their seconds are not those of the search.

    Raises:
        TrainerUnavailable
    """
    try:
        import update_checker

        update_checker.update_check = lambda *_: None  # TPOT asks a server for newer versions when it is imported
        import dask.distributed  # noqa: F401
        import tpot  # noqa: F401
    except ImportError as error:
        raise TrainerUnavailable(NAME, f"{type(error).__name__}: {error}") from error


def run_tpot(search: Search, space: Any, X: Floats, y: Any, *, classification: bool = False) -> None:
    """Evolve pipelines of `space` on the older rows of `X` (n, k) until the deadline or an early stop.

    Raises:
        EveryTrialFailed, TrainerTimedOut: not one trial was scored.
    """
    began = reported = time.monotonic()
    _SEARCHES[id(search)] = search
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tpot")
    evolution = executor.submit(_evolve, search, space, X, y, classification)
    executor.shutdown(wait=False)
    while not evolution.done() and time.monotonic() < search.deadline and not search.stopped:
        wait([evolution], timeout=max(0.1, min(0.5, search.deadline - time.monotonic())))
        with search.lock:
            search.stopped = search.stopping.reason((time.monotonic() - began) / search.budget.wall_s) or ""
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            search.progress(search.state())
    if search.stopped:
        search.progress(f"stopping early: {search.stopped}")
    search.progress(search.state())
    if search.best_error == float("inf"):
        if evolution.done():
            evolution.result()  # raises what ended the search
        if search.failed() or search.trials:
            raise EveryTrialFailed(NAME, search.started, ["TPOT reports no reason for a trial that fails"])
        raise TrainerTimedOut(NAME, search.budget.wall_s)


def steps_of(pipeline: Any) -> str:
    """The classes of a pipeline in a line."""
    steps = getattr(pipeline, "steps", None)
    if steps is None:
        return type(pipeline).__name__
    names = (steps_of(step) for _, step in steps)
    return ", ".join(name for name in names if name not in ("Passthrough", "ColumnTransformer", "SimpleImputer"))


def imputer() -> Any:
    """Medians in place of missing values; a column without any value stays, as zeros, so that positions hold."""
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", keep_empty_features=True)


def with_imputer(pipeline: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(imputer(), pipeline)


# Dask pickles what it runs, even for threads of its own process: a scorer finds its search by number.
_SEARCHES: dict[int, Search] = {}


@dataclass(frozen=True)
class _Scorer:
    """Scores a trial and notes it."""

    search: int
    __name__ = "negative_error"

    def __call__(self, pipeline: Any, X: Floats, y: Any) -> float:
        search = _SEARCHES[self.search]
        error = float(search.error(pipeline, X, y))
        search.note(pipeline, error)
        return -error


@dataclass(frozen=True)
class _LastHeldOut:
    """One split: the last `share` of the rows is held out. TPOT asks for it once a trial."""

    share: float
    search: int

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Any, Any]]:
        from threadpoolctl import threadpool_limits

        # TPOT asks for the split in the thread that is about to fit. OpenMP's limit belongs to a thread: without it
        # every one of the parallel trials would use all cores, and all of them would time out.
        threadpool_limits(1, user_api="openmp")
        _SEARCHES[self.search].begin()
        cut = round(len(X) * (1 - self.share))
        yield np.arange(cut), np.arange(cut, len(X))


def _evolve(search: Search, space: Any, X: Floats, y: Any, classification: bool) -> None:
    import warnings

    warnings.filterwarnings("ignore")  # trials that do not converge are part of a search
    import tpot
    from dask.distributed import Client, LocalCluster
    from threadpoolctl import threadpool_limits

    threads, left_s = search.budget.threads, max(1.0, search.deadline - time.monotonic())
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=threads, processes=False, dashboard_address=None, silence_logs=50
    )
    with threadpool_limits(1, user_api="blas"), cluster, Client(cluster) as client:
        tpot.TPOTEstimator(
            search_space=space,
            scorers=[_Scorer(id(search))],
            scorers_weights=[1.0],
            classification=classification,
            cv=_LastHeldOut(VALIDATION_SHARE, id(search)),
            population_size=16,
            generations=None,
            max_time_mins=left_s / 60,
            max_eval_time_mins=max(5.0, left_s / 4) / 60,
            client=client,
            n_jobs=threads,
            random_state=search.budget.seed,
            verbose=0,
        ).fit(X, y)
    search.progress("search ended")
