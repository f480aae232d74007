"""What every trainer offers, whichever library is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from smartgrid.automl.progress import Progress as Progress
from smartgrid.errors import SmartGridError
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema
from smartgrid.settings import TRAINERS


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of one trainer: wall-clock seconds, threads, memory, and the seed of everything random.

    `search_rows` caps the rows that a search trains its trials on (None: the trainer's own cap); `patience` is how
    many trials without improvement end a search (None: the trainer's own number).
    """

    wall_s: float
    threads: int = 2
    memory_mb: int = 6000
    seed: int = 0
    search_rows: int | None = None
    patience: int | None = None


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """What a search did: trials finished and failed, the best one in a line, its error (mean absolute error of load
    divided by level on held-out rows; None: there was no search), and why it ended early, if it did."""

    trials: int
    best: str
    score: float | None = None
    failed: int = 0
    stopped: str = ""


class FittedModel(Protocol):
    """A model that can predict; picklable, and exportable by smartgrid.savedmodel."""

    schema: FeatureSchema

    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Load in kW (n,) for feature rows (n, k) in the order of `schema.names`."""
        ...


class Recipe(Protocol):
    """What a search found: everything but the coefficients. Fitting it again is cheap, which a backtest needs.

    It may carry its `summary` (SearchSummary); `summary_of` reads it.
    """

    def fit(self, frame: FeatureFrame) -> FittedModel:
        """Fit on the rows of `frame`; rows without a known load are left out."""
        ...


class Trainer(Protocol):
    """Searches for a recipe within a budget."""

    name: str

    def search(self, frame: FeatureFrame, budget: Budget, progress: Progress) -> Recipe:
        """Find the best recipe on `frame`, which ends before the time that it will be judged on."""
        ...


class UnknownTrainer(SmartGridError):
    """No trainer has this name."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known
        super().__init__(f"No trainer {name!r}. Trainers: {', '.join(known)}.")


class NotEnoughHistory(SmartGridError):
    """Too few usable days to train on."""

    def __init__(self, have_days: float, need_days: float, where: str) -> None:
        self.have_days, self.need_days, self.where = have_days, need_days, where
        super().__init__(
            f"{where}: {have_days:.0f} usable days of history, {need_days:.0f} needed. Ingest more history; "
            "until then forecasts come from the naive methods."
        )


class BudgetTooSmall(SmartGridError):
    """The budget does not even allow one trial: the trainer does not take part."""

    exit_code = 2

    def __init__(self, trainer: str, have_s: float, need_s: float) -> None:
        self.trainer, self.have_s, self.need_s = trainer, have_s, need_s
        super().__init__(
            f"{trainer} needs at least {need_s:g} s and got {have_s:g} s. Give it a larger budget or leave it out."
        )


class TrainerUnavailable(SmartGridError):
    """The library of a trainer cannot be imported or started."""

    exit_code = 2

    def __init__(self, trainer: str, reason: str) -> None:
        self.trainer, self.reason = trainer, reason
        super().__init__(f"{trainer} cannot run here: {reason}. Install requirements-ml.txt or leave it out.")


class EveryTrialFailed(SmartGridError):
    """A search tried models and none of them could be trained; `reasons` are those of the first few."""

    def __init__(self, trainer: str, trials: int, reasons: list[str]) -> None:
        self.trainer, self.trials, self.reasons = trainer, trials, reasons
        super().__init__(f"All {trials} trials of {trainer} failed: {'; '.join(reasons) or 'no reason was given'}.")


class ConstantLoad(SmartGridError):
    """Load divided by its level never changes: there is nothing to learn."""

    exit_code = 3

    def __init__(self, trainer: str, rows: int) -> None:
        self.trainer, self.rows = trainer, rows
        super().__init__(
            f"{trainer}: the load is the same in all {rows} rows. Check the meter and the column mapping; the naive "
            "methods forecast it as it is."
        )


def summary_of(recipe: Recipe) -> SearchSummary:
    """What the search behind a recipe did; one without a summary is described by its `description` or its type."""
    summary = getattr(recipe, "summary", None)
    if isinstance(summary, SearchSummary):
        return summary
    return SearchSummary(0, str(getattr(recipe, "description", type(recipe).__name__)))


def library_of(trainer: Any) -> str:
    """The distribution whose version decides what a trainer finds."""
    return str(getattr(trainer, "library", trainer.name))


def trainer(name: str) -> Trainer:
    """The trainer with this name.

    Raises:
        UnknownTrainer
    """
    if name == "per_hour_ridge":
        from smartgrid.automl.per_hour_ridge import PerHourRidge

        return PerHourRidge()
    if name == "tpot":
        from smartgrid.automl.tpot_trainer import TpotTrainer

        return TpotTrainer()
    if name == "autokeras":
        from smartgrid.automl.autokeras_trainer import AutoKerasTrainer

        return AutoKerasTrainer()
    if name == "h2o":
        from smartgrid.automl.h2o_trainer import H2OTrainer

        return H2OTrainer()
    raise UnknownTrainer(name, list(TRAINERS))
