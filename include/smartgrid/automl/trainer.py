"""What every trainer offers, whichever library is behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from smartgrid.errors import SmartGridError
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema
from smartgrid.settings import TRAINERS

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of one trainer: wall-clock seconds, threads, memory, and the seed of everything random."""

    wall_s: float
    threads: int = 2
    memory_mb: int = 6000
    seed: int = 0


class FittedModel(Protocol):
    """A model that can predict; picklable, and exportable by smartgrid.savedmodel."""

    schema: FeatureSchema

    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Load in kW (n,) for feature rows (n, k) in the order of `schema.names`."""
        ...


class Recipe(Protocol):
    """What a search found: everything but the coefficients. Fitting it again is cheap, which a backtest needs."""

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
    raise UnknownTrainer(name, list(TRAINERS))
