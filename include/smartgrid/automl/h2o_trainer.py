"""H2O AutoML: GBM, DRF, XRT, GLM and stacks of them, within a hard budget.

The models are searched on the older three quarters of the rows. Of the newest quarter, even days stop the training
early and teach the stacks, odd days decide who is best. Whenever a better model appears its recipe is saved.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartgrid.automl.child_process import checkpoint
from smartgrid.automl.h2o_automl import EXCLUDED, Board, H2OFoundNothing, run_automl
from smartgrid.automl.h2o_cluster import H2OCluster, shared_cluster
from smartgrid.automl.h2o_frame import upload
from smartgrid.automl.h2o_members import combination_of, is_stack
from smartgrid.automl.h2o_recipe import H2ORecipe
from smartgrid.automl.h2o_search import PATIENCE, RESERVE_S, RESERVE_SHARE
from smartgrid.automl.linear_bar import linear_bar
from smartgrid.automl.progress import Progress, report_trial
from smartgrid.automl.scaled_pipeline import thinned
from smartgrid.automl.stopping import EarlyStopping
from smartgrid.automl.trainer import Budget, BudgetTooSmall, ConstantLoad, NotEnoughHistory, SearchSummary
from smartgrid.features.frame import FeatureFrame

SEARCH_ROWS = 12_000
FIT_ROWS = 20_000
MIN_ROWS = 500
MIN_BUDGET_S = 5.0
SMALLEST_DEVIATION = 1e-9
VALIDATION_SHARE = 0.25
STACK_GAIN = 0.99


class H2OTrainer:
    """The trainer: searches for models that predict load divided by level."""

    name = "h2o"
    library = "h2o"

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> H2ORecipe:
        """The best recipe found within `budget.wall_s`; starting H2O is not counted.

        At most 12,000 rows are seen, the newest preferred; the score is the mean absolute error of load divided by
        level on the odd days of the newest quarter.

        Raises:
            BudgetTooSmall, NotEnoughHistory, ConstantLoad
            JavaMissing, H2OFailed, H2OFoundNothing
        """
        if budget.wall_s < MIN_BUDGET_S:
            raise BudgetTooSmall(self.name, budget.wall_s, MIN_BUDGET_S)
        rows = thinned(frame.trainable(), budget.search_rows or SEARCH_ROWS, budget.seed)
        if len(rows) < MIN_ROWS:
            slots = rows.schema.slots_per_day
            raise NotEnoughHistory(len(rows) / slots, MIN_ROWS / slots, self.name)
        if float(rows.ratio.std()) < SMALLEST_DEVIATION:
            raise ConstantLoad(self.name, len(rows))
        columns = [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]
        parts = _parts(rows)
        with shared_cluster(budget.threads, budget.memory_mb) as cluster:
            frames = {name: upload(cluster, rows.X[mask][:, columns], rows.ratio[mask]) for name, mask in parts.items()}
            deadline = time.monotonic() + budget.wall_s - max(RESERVE_S, RESERVE_SHARE * budget.wall_s)
            bar = linear_bar(frame, rows.where(parts["leaderboard_frame"]))
            progress(
                f"searching on {int(parts['training_frame'].sum())} rows x {len(columns)} features for "
                f"{budget.wall_s:.0f} s; linear bar {bar:.4f}"
            )
            for algorithm, reason in EXCLUDED.items():
                progress(f"left out: {algorithm} ({reason})")
            journal = _Journal(cluster, columns, bar, budget, deadline, progress)
            board = run_automl(
                cluster,
                {**frames, "blending_frame": frames["validation_frame"]},
                metric="MAE",
                folds=0,
                seed=budget.seed,
                deadline=deadline,
                progress=progress,
                on_news=journal.note,
            )
        if journal.recipe is None:
            raise H2OFoundNothing(budget.wall_s, [*board.failures, "every model is too large to be served"])
        recipe = journal.finished(board)
        progress(f"best of {board.trials} models ({len(board.failures)} failed): {recipe.description}")
        return recipe


class _Journal:
    """Every model that appears; the best that can be served becomes the recipe, and the checkpoint of this process."""

    def __init__(
        self,
        cluster: H2OCluster,
        columns: list[int],
        bar: float,
        budget: Budget,
        deadline: float,
        progress: Progress,
    ) -> None:
        self.cluster, self.columns, self.budget, self.deadline = cluster, columns, budget, deadline
        self.progress = progress
        self.stopping = EarlyStopping(budget.patience or PATIENCE, bar)
        self.recipe: H2ORecipe | None = None
        self.stopped = ""
        self.trials = 0
        self._passed_over: set[str] = set()

    def note(self, board: Board, new: list[str]) -> str:
        """Report and keep; why to stop, if so."""
        left_s = self.deadline - time.monotonic()
        errors = dict(board.models)
        for name in new:
            self.trials += 1
            report_trial(self.progress, self.trials, errors[name], left_s, name)
            self.stopping.note(errors[name])
        self._keep_best(board)
        self.stopped = self.stopping.reason(1 - left_s / self.budget.wall_s) or ""
        if self.stopped:
            self.progress(f"stopping early: {self.stopped}")
        return self.stopped

    def _keep_best(self, board: Board) -> None:
        """A stack has to be clearly better than the best single model: it costs several times as much."""
        single = min((error for name, error in board.models if not is_stack(name)), default=float("inf"))
        for name, error in board.models:
            if name in self._passed_over or (is_stack(name) and error > single * STACK_GAIN):
                continue
            if self.recipe is not None and self.recipe.found_as == name:
                return
            combination = combination_of(self.cluster, name)
            if combination is None:
                self._passed_over.add(name)
                self.progress(f"{name} is passed over: too large to be refitted weekly and served")
                continue
            members, weights, intercept = combination
            self.recipe = H2ORecipe(
                members=members,
                weights=weights,
                intercept=intercept,
                columns=self.columns,
                max_rows=FIT_ROWS,
                seed=self.budget.seed,
                threads=self.budget.threads,
                memory_mb=self.budget.memory_mb,
                found_as=name,
                summary=SearchSummary(board.trials, name, error, len(board.failures)),
            )
            checkpoint(self.finished(board))
            return

    def finished(self, board: Board) -> H2ORecipe:
        """The recipe with what is known about the search by now."""
        assert self.recipe is not None
        assert self.recipe.summary is not None
        score = self.recipe.summary.score
        summary = SearchSummary(board.trials, self.recipe.description, score, len(board.failures), self.stopped)
        return replace(self.recipe, summary=summary)


def _parts(rows: FeatureFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Masks of the rows for training, validation and leaderboard."""
    order = np.argsort(rows.target_time, kind="stable")
    newest = np.zeros(len(rows), dtype=np.bool_)
    newest[order[round(len(rows) * (1 - VALIDATION_SHARE)) :]] = True
    even = rows.target_time.astype("datetime64[D]").astype(np.int64) % 2 == 0
    return {
        "training_frame": ~newest,
        "validation_frame": newest & even,
        "leaderboard_frame": newest & ~even,
    }


def search(frame: FeatureFrame, budget: Budget, progress: Progress) -> H2ORecipe:
    """H2OTrainer.search as a plain function, for a limited child process."""
    return H2OTrainer().search(frame, budget, progress)
