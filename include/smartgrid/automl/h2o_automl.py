"""One run of H2O AutoML: watched while it works, so that each model is known as soon as it is scored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smartgrid.automl.h2o_cluster import H2OCluster, H2OFailed
from smartgrid.automl.h2o_frame import TARGET
from smartgrid.automl.trainer import Progress
from smartgrid.errors import SmartGridError

# What H2O builds under these names: GLM; GBM; DRF and XRT (extremely randomised trees); stacks of these by a GLM.
ALGORITHMS = ("GLM", "GBM", "DRF", "StackedEnsemble")
EXCLUDED = {
    "DeepLearning": "no exact translation of its network; autokeras searches networks",
    "XGBoost": "no exact translation of its native, single precision scorer; GBM is the same method",
}
POLL_S, REPORT_EVERY_S = 0.5, 5.0
CANCEL_S = 5.0


class H2OFoundNothing(SmartGridError):
    """AutoML ended without a single model; `failures` are the models that it gave up, with H2O's reasons."""

    def __init__(self, wall_s: float, failures: list[str]) -> None:
        self.wall_s, self.failures = wall_s, failures
        why = "; ".join(failures[:5]) or "it reported no failed model: the time was too short"
        super().__init__(
            f"H2O AutoML built no model within {wall_s:.0f} s ({why}). Give it a larger budget "
            "(SMARTGRID_TRAINING__BUDGET_S) or look at the data that it failed on."
        )


@dataclass
class Board:
    """Models by their score, the best (smallest error) first, and what failed."""

    models: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def trials(self) -> int:
        return len(self.models) + len(self.failures)


# Called in the searching thread with the board and the names that are new on it; a returned reason ends the search.
OnNews = Callable[[Board, list[str]], str]


def run_automl(
    cluster: H2OCluster,
    frames: dict[str, Any],
    *,
    metric: str,
    folds: int,
    seed: int,
    deadline: float,
    progress: Progress,
    on_news: OnNews,
) -> Board:
    """Search until `deadline` (of time.monotonic), until `on_news` says stop, or until H2O thinks that it is done.

    Args:
        frames: `training_frame`, and where `folds` is 0 `validation_frame`, `leaderboard_frame`, `blending_frame`.
        metric: what the models are sorted by (MAE, logloss, ...).
        on_news: called in the caller's thread whenever models have appeared.

    Raises:
        H2OFailed, H2OFoundNothing
    """
    from h2o.automl import H2OAutoML

    started = time.monotonic()
    automl = H2OAutoML(
        max_runtime_secs=max(1, round(deadline - started)),
        seed=seed,
        nfolds=folds,
        include_algos=list(ALGORITHMS),
        sort_metric=metric,
        verbosity=None,
    )
    ended: list[BaseException | None] = []
    worker = threading.Thread(target=_train, args=(automl, frames, ended), daemon=True, name="h2o-automl")
    worker.start()
    board, stop = Board(), ""
    reported = started
    while worker.is_alive() and not stop and time.monotonic() < deadline:
        worker.join(timeout=max(0.05, min(POLL_S, deadline - time.monotonic())))
        board, stop = _look(cluster, automl, board, on_news, progress)
        if time.monotonic() - reported > REPORT_EVERY_S:
            reported = time.monotonic()
            progress(f"{len(board.models)} models, {max(0.0, deadline - reported):.0f} s left")
    cancelled = _stop(automl, worker)
    if not stop:
        board, _ = _look(cluster, automl, board, on_news, progress)
    if not board.models:
        if ended and ended[0] is not None and not cancelled:
            with cluster.calling("AutoML"):
                raise ended[0]
        raise H2OFoundNothing(time.monotonic() - started, board.failures)
    if not cluster.running:
        raise H2OFailed("AutoML", "Java ended")
    return board


def _train(automl: Any, frames: dict[str, Any], ended: list[BaseException | None]) -> None:
    from h2o.exceptions import H2OError

    inputs = [name for name in frames["training_frame"].names if name != TARGET]
    try:
        automl.train(x=inputs, y=TARGET, **frames)
    except (H2OError, OSError, AttributeError) as error:  # AttributeError: the library's own, when Java went away
        ended.append(error)
    else:
        ended.append(None)


def _look(cluster: H2OCluster, automl: Any, known: Board, on_news: OnNews, progress: Progress) -> tuple[Board, str]:
    """Read the leaderboard and hand on what is new since `known`; also why to stop, if so."""
    import h2o
    from h2o.exceptions import H2OResponseError

    if automl.project_name is None or automl._job is None:
        return known, ""
    try:
        with cluster.calling("AutoML"):
            state = h2o.api(f"GET /99/AutoML/{automl.key}")
    except H2OFailed as failure:
        if isinstance(failure.__cause__, H2OResponseError):  # its records appear a moment after its job
            return known, ""
        raise
    board = _board(state)
    for line in board.failures[len(known.failures) :]:
        progress(f"failed: {line}")
    before = {name for name, _ in known.models}
    new = [name for name, _ in board.models if name not in before]
    return board, on_news(board, new) if new else ""


def _board(state: Any) -> Board:
    leaderboard = state["leaderboard"]
    names = [model["name"] for model in leaderboard["models"]]
    scores = [float(score) for score in leaderboard["sort_metrics"] or []]
    table = state["event_log_table"]
    columns = list(table.col_header)
    level, message = columns.index("level"), columns.index("message")
    failures = [
        str(row[message])[:300]
        for row in table.cell_values
        if row[level] in ("WARN", "ERROR") and "fail" in str(row[message]).lower()
    ]
    return Board(list(zip(names, scores, strict=False)), failures)


def _stop(automl: Any, worker: threading.Thread) -> bool:
    """End the search if it is still going on; whether that was so."""
    if not worker.is_alive() or automl._job is None:
        return worker.is_alive()
    import h2o
    from h2o.exceptions import H2OError

    try:
        h2o.api(f"POST /3/Jobs/{automl._job.job_key}/cancel")
    except H2OError:  # it ended by itself meanwhile; the leaderboard tells
        return False
    worker.join(timeout=CANCEL_S)
    return True
