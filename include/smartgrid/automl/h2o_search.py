"""H2O AutoML on plain arrays, for regression and classification."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.h2o_automl import Board, run_automl
from smartgrid.automl.h2o_cluster import H2OCluster, shared_cluster
from smartgrid.automl.h2o_frame import upload
from smartgrid.automl.h2o_scorer import score_mojo
from smartgrid.automl.progress import report_trial
from smartgrid.automl.stopping import EarlyStopping
from smartgrid.automl.trainer import Budget, BudgetTooSmall, Progress
from smartgrid.savedmodel.h2o_models import H2OModel
from smartgrid.savedmodel.h2o_mojo import read_mojo

Task = Literal["regression", "classification"]
FOLDS = 3
# H2O's own plan tries its proven settings first; what follows is a random search that rarely helps for long.
PATIENCE = 25
LEAST_BUDGET_S = 8.0  # below this Java is not even up
RESERVE_S, RESERVE_SHARE = 2.0, 0.05


@dataclass
class H2OPredictor:
    """The best model of a search, as its MOJO; picklable, needs no cluster.

    `classes` (m,) are the labels of a classifier, None for regression. `error` is the cross-validated mean absolute
    error (regression) or log loss (classification); `name` is H2O's name of the model, `tried` how many there were.
    """

    mojo: bytes
    inputs: int
    classes: npt.NDArray[Any] | None
    name: str
    error: float
    tried: int
    failures: list[str] = field(default_factory=list)
    _decoded: H2OModel | None = None

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Values (n,) for rows (n, k); of a classifier the label of the most probable class.

        Raises:
            JavaMissing, H2OFailed: a classifier is scored by H2O's own scorer, which runs in Java.
        """
        if self.classes is not None:
            return np.asarray(self.classes[np.argmax(self.predict_proba(X), axis=1)])
        if self._decoded is None:
            self._decoded = read_mojo(self.mojo)
        return self._decoded.predict(_matrix(X, self.inputs))

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities (n, m) in the order of `classes`; only of a classifier."""
        if self.classes is None:
            raise TypeError("A regression model has no probabilities of classes; use predict")
        scored = score_mojo(self.mojo, _matrix(X, self.inputs))
        return scored.select([_label(number) for number in range(len(self.classes))]).to_numpy()


def h2o_search(X: Any, y: Any, task: Task, budget: Budget, progress: Progress) -> H2OPredictor:
    """The best model that H2O AutoML finds for `X` (n, k) numeric, NaN allowed, and `y` (n,), by 3-fold validation.

    At most `budget.wall_s` seconds, the start of H2O included; less after `budget.patience` models (default 25)
    without a better one. Runs in the calling process, with Java as its child.
    `child_process.run_limited` with the target "smartgrid.automl.h2o_search:h2o_search" adds hard limits; the best
    model so far survives a kill.

    Raises:
        JavaMissing: no Java runtime; tells what to install.
        BudgetTooSmall: below 8 s, most of which Java's start takes.
        H2OFoundNothing: no model within the budget; names the models that failed.
        H2OFailed: H2O did not start or broke off.
    """
    if budget.wall_s < LEAST_BUDGET_S:
        raise BudgetTooSmall("h2o", budget.wall_s, LEAST_BUDGET_S)
    target, classes = _target(y, task)
    matrix = _matrix(X, None)
    best: list[H2OPredictor] = []
    stopping = EarlyStopping(budget.patience or PATIENCE)
    with shared_cluster(budget.threads, budget.memory_mb) as cluster:
        frame = upload(cluster, matrix, target)
        # Starting Java is not searching.
        deadline = time.monotonic() + budget.wall_s - max(RESERVE_S, RESERVE_SHARE * budget.wall_s)
        reported = count(1)

        def left_s() -> float:
            return max(0.0, deadline - time.monotonic())

        def keep(board: Board, new: list[str]) -> str:
            name, error = board.models[0]
            for model, its_error in board.models:
                if model in new:
                    report_trial(progress, next(reported), its_error, left_s(), model, unit="")
            if not best or best[0].name != name:
                best[:] = [H2OPredictor(mojo_of(cluster, name), matrix.shape[1], classes, name, error, board.trials)]
                checkpoint(best[0])
            for model in new:
                stopping.note(dict(board.models)[model])
            return stopping.reason(1 - left_s() / budget.wall_s) or ""

        board = run_automl(
            cluster,
            {"training_frame": frame},
            metric="MAE" if task == "regression" else "logloss",
            folds=FOLDS,
            seed=budget.seed,
            deadline=deadline,
            progress=progress,
            on_news=keep,
        )
    best[0].tried, best[0].failures = board.trials, board.failures
    return best[0]


def mojo_of(cluster: H2OCluster, name: str) -> bytes:
    """The MOJO of a model that is still in the cluster."""
    import h2o

    with cluster.calling(f"exporting {name}"):
        path = Path(h2o.get_model(name).download_mojo(path=str(cluster.folder)))
        content = path.read_bytes()
        path.unlink()
    return content


def _target(y: Any, task: Task) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    if task == "regression":
        return np.asarray(y, dtype=np.float64).reshape(-1), None
    classes, codes = np.unique(np.asarray(y).reshape(-1), return_inverse=True)
    labels = np.array([_label(number) for number in range(len(classes))])
    return labels[codes], classes


def _label(number: int) -> str:
    """Name of a class inside H2O: its order is that of the numbers, and it never looks like one."""
    return f"class{number:05d}"


def _matrix(X: Any, width: int | None) -> npt.NDArray[np.float64]:
    matrix = np.asarray(X, dtype=np.float64)
    if matrix.ndim != 2 or (width is not None and matrix.shape[1] != width):
        raise ValueError(f"X must have the shape (n, {'k' if width is None else width}), not {matrix.shape}")
    return matrix
