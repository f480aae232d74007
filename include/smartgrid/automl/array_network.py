"""AutoKeras on plain numbers (n, k), for regression and classification."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.autokeras_search import NAME, load_autokeras, run_autokeras, watch_for
from smartgrid.automl.autokeras_tuner import FinishedTrial
from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.progress import Progress, report_trial
from smartgrid.automl.rebuilt_network import RebuiltNetwork
from smartgrid.automl.trainer import Budget, BudgetTooSmall

Floats = npt.NDArray[np.float64]

MIN_BUDGET_S = 5.0
VALIDATION_SHARE = 0.25


@dataclass
class ArrayNetwork(RebuiltNetwork):
    """A trained network; `mean` and `scale` (k,) standardise its inputs, missing values become the mean.

    Regression: the answer is `target_mean` + `target_scale` times the output. Classification: outputs are
    probabilities.
    """

    mean: Floats
    scale: Floats
    architecture: dict[str, Any]
    weights: list[npt.NDArray[np.float32]]
    target_mean: float
    target_scale: float
    error: float
    name: str

    def predict(self, X: Floats) -> Floats:
        values: Floats = self.target_mean + self.target_scale * self._outputs(X)[:, 0]
        return values

    def predict_proba(self, X: Floats) -> Floats:
        return self._outputs(X)

    def _outputs(self, X: Floats) -> Floats:
        return np.asarray(self.network(standardised(X, self.mean, self.scale), training=False))


def standardised(X: Floats, mean: Floats, scale: Floats) -> Floats:
    return (np.where(np.isfinite(X), X, mean) - mean) / scale


def search(X: Floats, y: npt.NDArray[Any], classes: int | None, budget: Budget, progress: Progress) -> ArrayNetwork:
    """The best network within `budget.wall_s`; a shuffled quarter of the rows is held out to score trials.

    Args:
        y: numbers, or with `classes` the numbers of the classes.

    Raises:
        BudgetTooSmall, TrainerUnavailable, EveryTrialFailed, TrainerTimedOut
    """
    if budget.wall_s < MIN_BUDGET_S:
        raise BudgetTooSmall(NAME, budget.wall_s, MIN_BUDGET_S)
    load_autokeras()
    deadline = time.monotonic() + budget.wall_s
    finite = np.isfinite(X)
    count = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, X, 0.0).sum(axis=0) / count
    deviation = np.sqrt((np.where(finite, X - mean, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(deviation > 0, deviation, 1.0)
    inputs = standardised(X, mean, scale).astype(np.float32)
    if classes is None:
        target_mean, target_scale = float(y.mean()), float(y.std()) or 1.0
        target = ((y - target_mean) / target_scale).astype(np.float32)
    else:
        target_mean, target_scale = 0.0, 1.0
        target = np.eye(classes, dtype=np.float32)[y.astype(np.int64)]
    order = np.random.default_rng(budget.seed).permutation(len(X))
    cut = round(len(X) * (1 - VALIDATION_SHARE))
    best: list[ArrayNetwork] = []

    def note(trial: FinishedTrial) -> bool:
        error = None if trial.error is None else trial.error * target_scale
        report_trial(progress, trial.number, error, deadline - time.monotonic(), trial.text, unit="")
        if error is not None and (not best or error < best[0].error):
            best[:] = [
                ArrayNetwork(
                    mean, scale, trial.architecture, trial.weights, target_mean, target_scale, error, trial.text
                )
            ]
            checkpoint(best[0])
        return True

    run_autokeras(
        (inputs[order[:cut]], target[order[:cut]]),
        (inputs[order[cut:]], target[order[cut:]]),
        "regression" if classes is None else "classification",
        watch_for(budget.wall_s, deadline, note),
        budget.seed,
        budget.wall_s,
        progress,
    )
    return best[0]
