"""One run of AutoKeras over standardised numbers, for regression or classification, ended by its watch."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from smartgrid.automl.autokeras_trials import failed_trials
from smartgrid.automl.autokeras_tuner import Watch, deadline_callback, watched_tuner
from smartgrid.automl.child_process import TrainerTimedOut
from smartgrid.automl.progress import Progress
from smartgrid.automl.trainer import EveryTrialFailed, TrainerUnavailable

NAME = "autokeras"
MAX_TRIALS = 500
# Small tables are gone through more often, in smaller batches: it is the number of steps that trains a network.
LARGE_BATCH, SMALL_BATCH, SMALL_ROWS = 128, 32, 5_000
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 6_000, 40, 300
# One trial may not eat the budget: wide networks on many rows take minutes. Nor may it end before it has begun:
# building the graph of a network takes seconds on a busy machine.
TRIAL_SHARE, LEAST_TRIAL_S = 0.2, 8.0
MAX_PARAMETERS = 400_000

Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def load_autokeras() -> None:
    """Import the library, so that its seconds are not those of the search.

    Raises:
        TrainerUnavailable
    """
    try:
        import autokeras  # noqa: F401
        import keras  # noqa: F401
    except ImportError as error:
        raise TrainerUnavailable(NAME, f"{type(error).__name__}: {error}") from error


def batch_size(rows: int) -> int:
    """Of a search on so many training rows."""
    return SMALL_BATCH if rows < SMALL_ROWS else LARGE_BATCH


def watch_for(wall_s: float, deadline: float, note: Any) -> Watch:
    """A watch that gives each trial a fifth of the time at most."""
    return Watch(deadline, max(LEAST_TRIAL_S, TRIAL_SHARE * wall_s), note)


def run_autokeras(
    training: Rows,
    held_out: Rows,
    task: Literal["regression", "classification"],
    watch: Watch,
    seed: int,
    wall_s: float,
    progress: Progress,
) -> list[str]:
    """Search until the watch ends it; finished trials go to `watch.note`. Nothing is left on disk.

    Args:
        training, held_out: inputs (n, width) and target: (n,) numbers, or (n, classes) zeros and ones.

    Returns:
        a line for each failed trial

    Raises:
        EveryTrialFailed, TrainerTimedOut: not one trial was scored.
    """
    with tempfile.TemporaryDirectory(prefix="autokeras-") as folder:
        ended = _search(Path(folder), training, held_out, task, watch, seed)
        failures = failed_trials(Path(folder) / "search")
    for line in failures[:3]:
        progress(f"failed {line}")
    if watch.scored == 0:
        if watch.trials or ended:
            raise EveryTrialFailed(NAME, watch.trials, failures[:3] or [ended])
        raise TrainerTimedOut(NAME, wall_s)
    if time.monotonic() < watch.deadline and ended:
        progress(f"AutoKeras ended early: {ended}")
    return failures


def _search(
    folder: Path, training: Rows, held_out: Rows, task: Literal["regression", "classification"], watch: Watch, seed: int
) -> str:
    """Why AutoKeras broke off, if it did."""
    import autokeras
    import keras
    from autokeras.tuners import task_specific

    keras.utils.set_random_seed(seed)
    columns = [f"input_{number}" for number in range(training[0].shape[1])]
    common: dict[str, Any] = {
        "column_names": columns,
        # Left to itself, AutoKeras takes columns with few different values for categories and encodes them outside
        # the network.
        "column_types": dict.fromkeys(columns, "numerical"),
        "max_trials": MAX_TRIALS,
        "directory": str(folder),
        "project_name": "search",
        "objective": "val_loss",
        "overwrite": True,
        "seed": seed,
        "max_model_size": MAX_PARAMETERS,
    }
    if task == "regression":
        search: Any = autokeras.StructuredDataRegressor(
            loss="mean_absolute_error",
            metrics=["mean_absolute_error"],
            tuner=watched_tuner(watch, task_specific.StructuredDataRegressorTuner),
            **common,
        )
    else:
        search = autokeras.StructuredDataClassifier(
            loss="categorical_crossentropy",
            tuner=watched_tuner(watch, task_specific.StructuredDataClassifierTuner),
            **common,
        )
    search.tuner.oracle.max_consecutive_failed_trials = MAX_TRIALS  # networks above the size limit count as failures
    batch = batch_size(len(training[0]))
    epochs = min(MOST_EPOCHS, max(LEAST_EPOCHS, STEPS // math.ceil(len(training[0]) / batch)))
    try:
        search.fit(
            *training,
            validation_data=held_out,
            epochs=epochs,
            batch_size=batch,
            verbose=0,
            # With early stopping given and a validation set, AutoKeras does not train the best network once more.
            callbacks=[
                keras.callbacks.EarlyStopping(patience=max(4, epochs // 10), min_delta=1e-4),
                deadline_callback(watch),
            ],
        )
    except (IndexError, OSError, ValueError, RuntimeError) as error:
        # After the last trial AutoKeras loads the best network from its folder, which fails where there is none. All
        # that is needed was noted; what went wrong is reported from the trials' own records.
        return f"{type(error).__name__}: {str(error)[:200]}"
    return ""
