"""AutoKeras: architecture search for a dense network, within a hard budget.

AutoKeras is given standardised numbers only, a loss in units of the target, and a tuner that is watched: it has no
time limit of its own, swallows the errors of failed trials, and leaves a folder of checkpoints behind.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from smartgrid.automl.autokeras_search import NAME, batch_size, load_autokeras, run_autokeras, watch_for
from smartgrid.automl.autokeras_tuner import FinishedTrial
from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.linear_bar import linear_bar
from smartgrid.automl.network import NetworkRecipe, prepare
from smartgrid.automl.progress import Progress, report_trial
from smartgrid.automl.scaled_pipeline import thinned
from smartgrid.automl.stopping import EarlyStopping
from smartgrid.automl.trainer import Budget, BudgetTooSmall, SearchSummary
from smartgrid.features.frame import FeatureFrame

SEARCH_ROWS = 24_000
FIT_ROWS, FIT_BATCH_SIZE = 150_000, 512
MIN_BUDGET_S = 5.0
VALIDATION_SHARE = 0.25
PATIENCE = 15
FAILURES_IN_A_ROW = 5


class AutoKerasTrainer:
    """The trainer: searches for a network that predicts load divided by level."""

    name = NAME
    library = "autokeras"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> NetworkRecipe:
        """The best network that was scored within `budget.wall_s`; loading the library is not counted.

        Trials are trained on the older three quarters of at most 24,000 rows and scored on the newest quarter: mean
        absolute error of load divided by level, at the best epoch.

        Raises:
            BudgetTooSmall, NotEnoughHistory, ConstantLoad
            TrainerUnavailable: AutoKeras cannot be imported.
            EveryTrialFailed, TrainerTimedOut: not one trial was scored.
        """
        if budget.wall_s < MIN_BUDGET_S:
            raise BudgetTooSmall(self.name, budget.wall_s, MIN_BUDGET_S)
        rows = thinned(frame.trainable(), budget.search_rows or SEARCH_ROWS, budget.seed)
        inputs, mean, scale = prepare(rows, self.name)
        order = np.argsort(rows.target_time, kind="stable")
        cut = round(len(rows) * (1 - VALIDATION_SHARE))
        encoded = inputs.encode(rows.X[order]).astype(np.float32)
        target = ((rows.ratio[order] - mean) / scale).astype(np.float32)
        load_autokeras()

        deadline = time.monotonic() + budget.wall_s
        bar = linear_bar(frame, rows.where(np.isin(np.arange(len(rows)), order[cut:])))
        progress(f"searching on {cut} rows x {encoded.shape[1]} inputs for {budget.wall_s:.0f} s; linear bar {bar:.4f}")
        journal = _Journal(scale, math.ceil(cut / batch_size(cut)), bar, budget, deadline, progress)
        failures = run_autokeras(
            (encoded[:cut], target[:cut]),
            (encoded[cut:], target[cut:]),
            "regression",
            journal.watch,
            budget.seed,
            budget.wall_s,
            progress,
        )
        assert journal.recipe is not None
        summary = replace(
            journal.recipe.summary, trials=journal.watch.trials, failed=len(failures), stopped=journal.stopped
        )
        progress(f"best of {summary.trials} trials ({summary.failed} failed): {summary.best}")
        return replace(journal.recipe, summary=summary)


class _Journal:
    """Every finished trial; the best becomes the recipe to return, and the checkpoint of this process."""

    def __init__(
        self, scale: float, steps_per_epoch: int, bar: float, budget: Budget, deadline: float, progress: Progress
    ) -> None:
        self.scale, self.steps_per_epoch, self.budget, self.progress = scale, steps_per_epoch, budget, progress
        self.stopping = EarlyStopping(budget.patience or PATIENCE, bar)
        self.watch = watch_for(budget.wall_s, deadline, self.note)
        self.recipe: NetworkRecipe | None = None
        self.best = math.inf
        self.failures_in_a_row = 0
        self.stopped = ""

    def note(self, trial: FinishedTrial) -> bool:
        """Keep it if it is the best; whether the search goes on."""
        left_s = self.watch.deadline - time.monotonic()
        error = None if trial.error is None else trial.error * self.scale
        report_trial(self.progress, trial.number, error, left_s, trial.text)
        self.failures_in_a_row = self.failures_in_a_row + 1 if error is None else 0
        if error is not None and error < self.best:
            self.best = error
            self.recipe = NetworkRecipe(
                architecture=trial.architecture,
                optimizer=trial.optimizer,
                steps=trial.epochs * self.steps_per_epoch,
                batch_size=FIT_BATCH_SIZE,
                max_rows=FIT_ROWS,
                seed=self.budget.seed,
                summary=SearchSummary(trial.number, f"{trial.text}, {trial.epochs} epochs", error),
            )
            checkpoint(self.recipe)
        self.stopping.note(error)
        reason = self.stopping.reason(1 - left_s / self.budget.wall_s)
        if reason is None and self.recipe is None and self.failures_in_a_row >= FAILURES_IN_A_ROW:
            reason = f"the first {self.failures_in_a_row} trials failed"
        if reason is not None and not self.stopped:
            self.stopped = reason
            self.progress(f"stopping early: {reason}")
        return reason is None


def search(frame: FeatureFrame, budget: Budget, progress: Progress) -> NetworkRecipe:
    """AutoKerasTrainer.search as a plain function, for a limited child process."""
    return AutoKerasTrainer().search(frame, budget, progress)
