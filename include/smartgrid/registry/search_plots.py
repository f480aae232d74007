"""How the searches went, and what the winner looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from smartgrid.registry.figures import WINNER_COLOUR, new_figure, save


def progress(path: Path, trials: dict[str, list[dict[str, Any]]]) -> Path:
    figure, axes = new_figure(9, 4)
    for name, found in trials.items():
        best = np.minimum.accumulate([float(trial["score"]) for trial in found])
        seconds = [float(trial["elapsed_s"]) for trial in found]
        axes.step(seconds, best, where="post", marker=".", label=f"{name} ({len(found)} trials)")
    axes.set_xlabel("seconds since the trainer's first trial")
    axes.set_ylabel("best error so far, share of the level")
    axes.set_title("Searches: best trial so far")
    axes.legend()
    axes.grid(alpha=0.3)
    return save(figure, path)


def importance(path: Path, importance: list[tuple[str, float]]) -> Path:
    shown = importance[:25]
    figure, axes = new_figure(9, 1.2 + 0.25 * len(shown))
    axes.barh([name for name, _ in shown], [value for _, value in shown], color=WINNER_COLOUR)
    axes.invert_yaxis()
    axes.set_xlabel("added error when the column is shuffled, percentage points of load")
    axes.set_title("Feature importance by permutation, test rows through the winner")
    axes.grid(alpha=0.3, axis="x")
    return save(figure, path)
