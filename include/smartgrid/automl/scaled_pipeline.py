"""A scikit-learn pipeline as a load model: it predicts load divided by the recent level of the zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartgrid.automl.trainer import SearchSummary
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema

Floats = npt.NDArray[np.float64]


@dataclass
class FittedScaledPipeline:
    """`pipeline` predicts load_kw / level_kw from `columns` (indices into `schema.names`); it starts with an imputer,
    so that a missing feature is no reason to have no forecast."""

    pipeline: Any
    schema: FeatureSchema
    columns: list[int]

    def predict(self, X: Floats) -> Floats:
        """Load in kW (n,), never negative; NaN where the level of the zone is not known."""
        ratio = np.asarray(self.pipeline.predict(X[:, self.columns]), dtype=np.float64).reshape(-1)
        load: Floats = np.maximum(X[:, self.schema.index("level_kw")] * ratio, 0.0)
        return load


@dataclass
class ScaledPipelineRecipe:
    """An unfitted `pipeline` and what it is fitted on: `columns`, and at most `max_rows` rows.

    Rows above `max_rows` are thinned at random with `seed`, the newest quarter of the time kept whole as far as it
    fits, because the load of last month says more than that of three years ago.
    """

    pipeline: Any
    columns: list[int]
    max_rows: int
    seed: int
    summary: SearchSummary | None = None

    def fit(self, frame: FeatureFrame) -> FittedScaledPipeline:
        """Fit a copy of the pipeline on the rows of `frame` with a known load."""
        from sklearn.base import clone

        rows = thinned(frame.trainable(), self.max_rows, self.seed)
        pipeline = clone(self.pipeline)
        pipeline.fit(rows.X[:, self.columns], rows.ratio)
        return FittedScaledPipeline(pipeline=pipeline, schema=frame.schema, columns=list(self.columns))


def thinned(frame: FeatureFrame, max_rows: int, seed: int) -> FeatureFrame:
    """At most `max_rows` rows in their order: half of them from the newest quarter of the time, half from before."""
    if len(frame) <= max_rows:
        return frame
    generator = np.random.default_rng(seed)
    start, end = frame.target_time.min(), frame.target_time.max()
    is_new = frame.target_time > end - (end - start) / 4
    new, old = np.flatnonzero(is_new), np.flatnonzero(~is_new)
    n_new = min(len(new), max(max_rows // 2, max_rows - len(old)))
    chosen = np.concatenate(
        [generator.choice(new, n_new, replace=False), generator.choice(old, max_rows - n_new, replace=False)]
    )
    mask = np.zeros(len(frame), dtype=np.bool_)
    mask[chosen] = True
    return frame.where(mask)
