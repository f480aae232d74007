"""How well a per-hour ridge does on a search's held-out rows: a search far behind it cannot win."""

from __future__ import annotations

import numpy as np

from smartgrid.automl.penalty_search import CAUTIOUS
from smartgrid.automl.per_hour_ridge import PerHourRidgeRecipe
from smartgrid.automl.trainer import NotEnoughHistory
from smartgrid.features.frame import FeatureFrame

BAR_ROWS = 100_000


def linear_bar(frame: FeatureFrame, held_out: FeatureFrame) -> float:
    """Mean absolute error of load divided by level on `held_out`, of a ridge fitted on the rows of `frame` before it.

    Takes half a second, because it comes out of the search's own time: one cautious penalty for all zones instead of a
    search for the best, on no more than 100,000 rows. Infinite where there is too little history before.
    """
    rows = np.flatnonzero(frame.usable() & (frame.target_time < held_out.target_time.min()))
    if len(rows) > BAR_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, BAR_ROWS, replace=False))
    mask = np.zeros(len(frame), dtype=np.bool_)
    mask[rows] = True
    zones, slots = len(frame.schema.zones) + 1, frame.schema.slots_per_day
    recipe = PerHourRidgeRecipe(
        frame.schema, np.full((zones, slots), CAUTIOUS.alpha), np.full(zones, CAUTIOUS.slow_factor)
    )
    try:
        model = recipe.fit(frame.where(mask))
    except NotEnoughHistory:
        return float("inf")
    ratio = model.predict(held_out.X) / held_out.column("level_kw")
    return float(np.mean(np.abs(ratio - held_out.ratio)))
