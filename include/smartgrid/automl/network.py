"""A neural network as a load model: what a search found (the recipe), and the network trained by it.

Refit policy: every fit starts anew from the recipe's seed, on at most `max_rows` rows, for as many gradient steps as
the best trial of the search took, but no more than `MAX_STEPS`: seconds, whatever the length of the history. More rows
in larger batches cost a step little and make the network better (measured: twelve times the rows of the search, four
times its batch, 15 % less error).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl import keras_training
from smartgrid.automl.network_inputs import NetworkInputs
from smartgrid.automl.rebuilt_network import RebuiltNetwork
from smartgrid.automl.scaled_pipeline import thinned
from smartgrid.automl.trainer import ConstantLoad, NotEnoughHistory, SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema

Floats = npt.NDArray[np.float64]

MAX_STEPS = 4_000
MIN_ROWS = 500
CHUNK_ROWS = 8_192


@dataclass
class FittedNetwork(RebuiltNetwork):
    """Weights and everything before and after them, as numbers; Keras is only loaded to predict.

    The network sees `inputs` and answers (load / level - target_mean) / target_scale.
    """

    schema: FeatureSchema
    inputs: NetworkInputs
    architecture: dict[str, Any]
    weights: list[npt.NDArray[np.float32]]
    target_mean: float
    target_scale: float

    def predict(self, X: Floats) -> Floats:
        """Load in kW (n,), never negative; NaN where the level of the zone is not known."""
        encoded = self.inputs.encode(X)
        parts = [
            np.asarray(self.network(encoded[start : start + CHUNK_ROWS], training=False))[:, 0]
            for start in range(0, len(encoded), CHUNK_ROWS)
        ]
        ratio = self.target_mean + self.target_scale * (np.concatenate(parts) if parts else np.empty(0))
        load: Floats = np.maximum(X[:, self.schema.index("level_kw")] * ratio, 0.0)
        return load


@dataclass
class NetworkRecipe:
    """Architecture, optimizer (both plain JSON values), gradient steps, batch size, rows and seed."""

    architecture: dict[str, Any]
    optimizer: dict[str, Any]
    steps: int
    batch_size: int
    max_rows: int
    seed: int
    summary: SearchSummary

    def fit(self, frame: FeatureFrame) -> FittedNetwork:
        """Train the network anew on the rows of `frame` with a known load.

        Raises:
            NotEnoughHistory, ConstantLoad
        """
        rows = thinned(frame.trainable(), self.max_rows, self.seed)
        inputs, mean, scale = prepare(rows, "autokeras")
        weights = keras_training.train(
            self.architecture,
            self.optimizer,
            inputs.encode(rows.X),
            (rows.ratio - mean) / scale,
            steps=min(self.steps, MAX_STEPS),
            batch_size=self.batch_size,
            seed=self.seed,
        )
        return FittedNetwork(frame.schema, inputs, self.architecture, weights, mean, scale)


def prepare(rows: FeatureFrame, name: str) -> tuple[NetworkInputs, float, float]:
    """The encoding of the inputs, and mean and deviation of load divided by level.

    Raises:
        NotEnoughHistory: fewer than 500 rows.
        ConstantLoad
    """
    if len(rows) < MIN_ROWS:
        per_day = rows.schema.slots_per_day
        raise NotEnoughHistory(len(rows) / per_day, MIN_ROWS / per_day, name)
    scale = float(rows.ratio.std())
    if scale < 1e-9:
        raise ConstantLoad(name, len(rows))
    return NetworkInputs.fit(rows.X, rows.schema), float(rows.ratio.mean()), scale
