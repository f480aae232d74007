"""AutoKeras's own tuner for structured data, watched: each trial is noted, and the search ends when it should.

AutoKeras has no time limit. It is given one here: a callback ends the training of a trial, and no new trial starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.keras_training import describe, describe_optimizer

STEPS_PER_CALL = 16


@dataclass(frozen=True)
class FinishedTrial:
    """`error` is the validation loss of the best epoch; None: the trial failed, see `reason`."""

    number: int
    error: float | None
    reason: str
    architecture: dict[str, Any]
    optimizer: dict[str, Any]
    epochs: int
    weights: list[npt.NDArray[np.float32]]
    text: str


@dataclass
class Watch:
    """What a search is told from outside. `note` gets each finished trial and says whether to go on."""

    deadline: float
    trial_s: float
    note: Callable[[FinishedTrial], bool]
    trial_started: float = 0.0
    trials: int = 0
    scored: int = 0
    stopped: bool = False
    best_loss: float = float("inf")
    best_weights: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def begin_trial(self) -> None:
        self.trials, self.trial_started = self.trials + 1, time.monotonic()
        self.best_loss, self.best_weights = float("inf"), []

    def end_trial(self, trial: FinishedTrial) -> None:
        self.scored += trial.error is not None
        self.stopped = not self.note(trial) or self.stopped

    def end_epoch(self, loss: float, weights: Callable[[], list[npt.NDArray[np.float32]]]) -> None:
        """Keep the weights of the best epoch: after the last one they may be worse."""
        if loss < self.best_loss:
            self.best_loss, self.best_weights = loss, weights()

    def out_of_time(self) -> bool:
        now = time.monotonic()
        return now >= self.deadline or now - self.trial_started >= self.trial_s


def watched_tuner(watch: Watch, base: Any) -> Any:
    """A subclass of AutoKeras's tuner class `base` that reports to `watch`."""

    class WatchedTuner(base):  # type: ignore[misc]
        last_model: Any = None

        def _try_build(self, hp: Any) -> Any:
            self.last_model = super()._try_build(hp)
            # For networks this small, calling the graph costs more than the arithmetic in it.
            self.last_model.steps_per_execution = STEPS_PER_CALL
            return self.last_model

        def pre_create_trial(self) -> None:
            if watch.stopped or time.monotonic() >= watch.deadline:
                self.oracle.max_trials = 1  # the tuner asks the oracle, which then says that it is done (0: no limit)

        def on_trial_begin(self, trial: Any) -> None:
            super().on_trial_begin(trial)
            self.last_model = None
            watch.begin_trial()

        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)  # only then the trial has its score
            ended = self.oracle.get_trial(trial.trial_id)
            watch.end_trial(_finished(ended, self.last_model, watch))

    return WatchedTuner


def _finished(trial: Any, model: Any, watch: Watch) -> FinishedTrial:
    number = watch.trials
    lines = [line.strip() for line in str(trial.message or "").splitlines() if line.strip()]
    if trial.status != "COMPLETED" or trial.score is None or trial.score != trial.score or model is None:
        reason = lines[-1] if lines else f"ended as {trial.status} with score {trial.score}"
        return FinishedTrial(number, None, reason, {}, {}, 0, [], reason)
    # Keras Tuner counts epochs from 0.
    return FinishedTrial(
        number=number,
        error=float(trial.score),
        reason="",
        architecture=describe(model),
        optimizer=describe_optimizer(model),
        epochs=int(trial.best_step) + 1,
        weights=watch.best_weights,
        text=_text(model, trial.hyperparameters.values),
    )


def _text(model: Any, values: dict[str, Any]) -> str:
    """One line: widths of the layers, dropout, optimizer."""
    import keras

    widths = [str(layer.units) for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    extras = [
        "batch normalisation" if isinstance(layer, keras.layers.BatchNormalization) else f"dropout {layer.rate:g}"
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization | keras.layers.Dropout)
    ]
    return ", ".join(
        [
            f"dense {'-'.join(widths)}",
            *dict.fromkeys(extras),
            f"{values.get('optimizer')} at {values.get('learning_rate')}",
        ]
    )


def deadline_callback(watch: Watch) -> Any:
    """A Keras callback that ends the training of a trial when time is up; what was trained until then is scored."""
    import keras

    class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
        def __deepcopy__(self, _memory: Any) -> Any:
            return Deadline()  # Keras Tuner copies callbacks for each trial; all look at the same watch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if watch.out_of_time():
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            watch.end_epoch(float((logs or {}).get("val_loss", float("inf"))), self.model.get_weights)
            if watch.out_of_time():
                self.model.stop_training = True

    return Deadline()
