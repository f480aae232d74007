"""How well the per-hour ridge does on a search's held-out rows: a search far behind it cannot win."""

from __future__ import annotations

import numpy as np

from smartgrid.automl.per_hour_ridge import PerHourRidge
from smartgrid.automl.scaled_pipeline import thinned
from smartgrid.automl.trainer import Budget, NotEnoughHistory
from smartgrid.features.frame import FeatureFrame

BAR_ROWS = 100_000


def linear_bar(frame: FeatureFrame, held_out: FeatureFrame) -> float:
    """Mean absolute error of load divided by level on `held_out`, of a ridge fitted on the rows of `frame` before it.

    Seconds at most: fitted on no more than 100,000 rows. Infinite where there is too little history before.
    """
    before = frame.where(frame.target_time < held_out.target_time.min())
    try:
        ridge = PerHourRidge()
        rows = thinned(before.trainable(), BAR_ROWS, seed=0)
        if not len(rows):
            return float("inf")
        model = ridge.search(rows, Budget(1), lambda _: None).fit(rows)
    except NotEnoughHistory:
        return float("inf")
    ratio = model.predict(held_out.X) / held_out.column("level_kw")
    return float(np.mean(np.abs(ratio - held_out.ratio)))
