"""What a model's own library predicts: the side of the proof that the export has to reproduce."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@runtime_checkable
class ScoredByLibrary(Protocol):
    """A model that was taken out of its library, and can still be scored by it."""

    def predict_by_library(self, X: Floats) -> Floats:
        """Load in kW (n,)."""
        ...


@runtime_checkable
class WeightedMean(Protocol):
    """A model made of models: the sum of `weights` times what the `members` predict, for the same rows."""

    members: Any
    weights: Any


def library_predictions(model: Any, X: Floats) -> Floats:
    """Load in kW (n,) for rows (n, k), by the library that trained the model, or its members."""
    if isinstance(model, ScoredByLibrary):
        return model.predict_by_library(X)
    if isinstance(model, WeightedMean):
        total = np.zeros(len(X))
        for weight, member in zip(model.weights, model.members, strict=True):
            total += weight * library_predictions(member, X)
        return total
    predictions: Floats = model.predict(X)
    return predictions
