"""Train a model on any table with one of the AutoML libraries: `smartgrid.automl.train_with_automl`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import run_limited
from smartgrid.automl.progress import Progress, TrialReport
from smartgrid.automl.table_encoder import BadTable, TableEncoder
from smartgrid.automl.trainer import Budget, UnknownTrainer
from smartgrid.errors import SmartGridError
from smartgrid.savedmodel.errors import NotExportable
from smartgrid.settings import get_settings

Task = Literal["regression", "classification"]
Platform = Literal["autokeras", "tpot", "h2o"]
Floats = npt.NDArray[np.float64]

PLATFORMS = ("autokeras", "tpot", "h2o")
FEWEST_ROWS = 40
HELD_OUT_SHARE = 0.2
START_UP_S = 90.0


class UnknownTask(SmartGridError):
    """A task is regression or classification."""

    exit_code = 2

    def __init__(self, task: str) -> None:
        self.task = task
        super().__init__(f"No task {task!r}. Tasks: regression, classification.")


@dataclass
class TableModel:
    """A trained model. `classes` (m,) are the labels of a classifier, None for regression."""

    encoder: TableEncoder
    model: Any
    classes: npt.NDArray[Any] | None

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Numbers (n,), or labels (n,), for rows with the columns of training.

        Raises:
            BadTable
        """
        if self.classes is None:
            values: Floats = self.model.predict(self.encoder.encode(X))
            return values
        return np.asarray(self.classes[np.argmax(self.predict_proba(X), axis=1)])

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities (n, m) in the order of `classes`; of a classifier only."""
        if self.classes is None:
            raise AttributeError("A regression model has no predict_proba; use predict")
        probabilities: Floats = self.model.predict_proba(self.encoder.encode(X))
        return probabilities


@dataclass
class AutoMLResult:
    """What a search found.

    `score` is R² (regression) or the share of right answers (classification) on `held_out_rows` rows that the search
    did not see; `leaderboard` has one entry a trial that was scored: `trial`, `error` (smaller is better), `model`,
    best first.
    """

    model: TableModel
    score: float
    metric: str
    leaderboard: list[dict[str, Any]]
    platform: Platform
    task: Task
    best: str
    held_out_rows: int
    held_out: Floats

    def export(self, folder: str | Path) -> Path:
        """Write a regression model as a TensorFlow SavedModel; returns the folder.

        The signature `serving_default` takes `features` float64 [n, k] in the order of `model.encoder.names` and
        answers `prediction` float64 [n]. What was written is compared with the model on the held-out rows first.

        Raises:
            NotExportable: a classifier, or a part without exact translation.
            ExportParityError
        """
        from smartgrid.savedmodel.plain_model import export_plain

        if self.task != "regression":
            raise NotExportable(self.best, "classifiers are not exported")
        return export_plain(self.model.model, Path(folder), self.held_out)


def train_with_automl(
    X_train: Any,
    y_train: Any,
    task: Task = "regression",
    platform: Platform = "autokeras",
    *,
    time_budget_s: float | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> AutoMLResult:
    """Find a model for `y_train` (n,) from the table `X_train` (n, k), numpy or pandas.

    The search runs in a child process with hard limits on time, memory and threads. A fifth of the rows, drawn with
    `seed`, is kept from it to score what it found.

    Args:
        time_budget_s: seconds of search; default SMARTGRID_TRAINING__BUDGET_S.
        progress: gets lines while the search runs.

    Raises:
        UnknownTask, UnknownTrainer, BadTable
        BudgetTooSmall, TrainerUnavailable, TrainerTimedOut, TrainerOutOfMemory, TrainerCrashed, EveryTrialFailed
    """
    if task not in ("regression", "classification"):
        raise UnknownTask(task)
    if platform not in PLATFORMS:
        raise UnknownTrainer(platform, list(PLATFORMS))
    training = get_settings().training
    budget = Budget(
        wall_s=float(time_budget_s if time_budget_s is not None else training.budget_s),
        threads=training.threads,
        memory_mb=training.memory_limit_mb,
        seed=training.seed if seed is None else seed,
    )
    encoder = TableEncoder.fit(X_train)
    X, (y, classes) = encoder.encode(X_train), _target(y_train, task)
    if len(X) != len(y):
        raise BadTable(f"X has {len(X)} rows and y {len(y)}")
    if len(X) < FEWEST_ROWS:
        raise BadTable(f"{len(X)} rows; at least {FEWEST_ROWS} are needed")
    order = np.random.default_rng(budget.seed).permutation(len(X))
    held_out, rest = np.sort(order[: round(len(X) * HELD_OUT_SHARE)]), np.sort(order[round(len(X) * HELD_OUT_SHARE) :])
    trials: list[TrialReport] = []

    def note(line: str) -> None:
        if isinstance(line, TrialReport):
            trials.append(line)
        if progress is not None:
            progress(line)

    target, arguments = _call(platform, X[rest], y[rest], classes)
    found = run_limited(
        target,
        {**arguments, "budget": replace(budget)},
        wall_s=budget.wall_s + START_UP_S,
        memory_mb=budget.memory_mb,
        threads=budget.threads,
        progress=note,
    )
    model = TableModel(encoder, _Coded(found) if platform == "h2o" and classes is not None else found, classes)
    return AutoMLResult(
        model=model,
        score=_score(model, X[held_out], y[held_out]),
        metric="R2" if classes is None else "accuracy",
        leaderboard=_leaderboard(trials, found),
        platform=platform,
        task=task,
        best=str(found.name),
        held_out_rows=len(held_out),
        held_out=X[held_out],
    )


@dataclass
class _Coded:
    """A classifier of H2O, which knows only the classes that it saw: probabilities for all of them."""

    model: Any

    def predict_proba(self, X: Floats) -> Floats:
        seen = np.asarray(self.model.classes, dtype=np.int64)
        probabilities = np.zeros((len(X), int(seen.max()) + 1))
        probabilities[:, seen] = self.model.predict_proba(X)
        return probabilities


def _target(y: Any, task: Task) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Numbers, or the numbers of the classes with their labels."""
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise BadTable(f"y has the shape {values.shape}")
    if task == "classification":
        classes, codes = np.unique(values, return_inverse=True)
        if len(classes) < 2:
            raise BadTable("y has a single class: there is nothing to tell apart")
        return codes.astype(np.int64), classes
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise BadTable("y has text; use task='classification'") from None
    if not np.isfinite(numbers).all():
        raise BadTable(f"y has {int((~np.isfinite(numbers)).sum())} missing or infinite values")
    return numbers, None


def _call(
    platform: Platform, X: Floats, y: npt.NDArray[Any], classes: npt.NDArray[Any] | None
) -> tuple[str, dict[str, Any]]:
    """What runs in the child."""
    if platform == "h2o":
        task = "regression" if classes is None else "classification"
        return "smartgrid.automl.h2o_search:h2o_search", {"X": X, "y": y, "task": task}
    module = {"autokeras": "array_network", "tpot": "array_pipeline"}[platform]
    count = None if classes is None else len(classes)
    return f"smartgrid.automl.{module}:search", {"X": X, "y": y, "classes": count}


def _score(model: TableModel, X: Floats, y: npt.NDArray[Any]) -> float:
    if model.classes is not None:
        return float(np.mean(np.argmax(model.model.predict_proba(X), axis=1) == y))
    residual = float(np.sum((model.model.predict(X) - y) ** 2))
    total = float(np.sum((y - y.mean()) ** 2))
    return 1.0 - residual / total if total > 0 else (1.0 if residual == 0 else 0.0)


def _leaderboard(trials: list[TrialReport], found: Any) -> list[dict[str, Any]]:
    """Best first. A search that reports no trials (its best model appears alone) still has its winner."""
    scored: list[dict[str, Any]] = [
        {"trial": trial.trial, "error": trial.score, "model": trial.rpartition("s left, ")[2]}
        for trial in trials
        if trial.score is not None
    ]
    scored.sort(key=lambda entry: entry["error"])
    return scored or [{"trial": 1, "error": float(found.error), "model": str(found.name)}]
