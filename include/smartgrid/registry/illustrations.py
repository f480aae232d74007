"""The plots of a finished run, in its folder: for people, for MLflow and for the Smart Grid page."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from smartgrid.features.frame import FeatureFrame
from smartgrid.lake.files import write_bytes
from smartgrid.registry.importance import permutation_importance
from smartgrid.registry.plots import write_plots
from smartgrid.registry.run_folder import RunFolder

PLOTS = "plots"
IMPORTANCE_FILE = "feature_importance.json"

log = logging.getLogger(__name__)


def illustrate(run: RunFolder, test_rows: FeatureFrame) -> Path:
    """Write the plots of `run` to its folder, unless they are newer than the leaderboard; return their folder.

    Args:
        test_rows: feature rows of the test window, for the importance of each feature to the winner.
    """
    folder = run.path / PLOTS
    done = folder / IMPORTANCE_FILE  # written last
    if done.is_file() and done.stat().st_mtime >= (run.path / "leaderboard.json").stat().st_mtime:
        return folder
    leaderboard, snapshot = run.leaderboard, run.snapshot
    winner = str(leaderboard["winner"])
    importance = permutation_importance(run.model(winner), test_rows, snapshot.seed)
    paths = write_plots(
        folder,
        leaderboard["rows"],
        run.backtest(winner),
        winner,
        timezone=snapshot.timezone,
        progress=run.progress(),
        importance=importance,
    )
    ranked = [{"feature": name, "added_error_percent": round(value, 5)} for name, value in importance]
    write_bytes(str(done), json.dumps(ranked, indent=2).encode())
    log.info("%d plots in %s", len(paths), folder)
    return folder
