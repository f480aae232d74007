"""What the per-hour ridge reads of a feature frame: which columns, and their cross products for every zone and slot."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.automl.normal_equations import CrossProducts
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import PROFILE_COLUMNS, FeatureSchema

Floats = npt.NDArray[np.float64]
FILL_ROWS = 50_000  # rows that the stand-ins for missing values are taken from


def plain_columns(schema: FeatureSchema) -> list[int]:
    """All but the columns that say which regression applies and in which scale, and those of the profile."""
    left_out = ("zone_code", "slot", "level_kw", *PROFILE_COLUMNS)
    return [index for index, name in enumerate(schema.names) if name not in left_out]


def profile_columns(schema: FeatureSchema) -> list[int]:
    """Those of the profile; none where a schema is without them."""
    if not set(PROFILE_COLUMNS) <= set(schema.names):
        return []
    return [schema.index(name) for name in PROFILE_COLUMNS]


def slow_columns(schema: FeatureSchema, columns: list[int]) -> npt.NDArray[np.bool_]:
    """Columns that move with the season or the years."""
    names = [schema.names[index] for index in columns]
    return np.array([name.startswith("year_") or name == "trend_years" for name in names], dtype=np.bool_)


def days_of(frame: FeatureFrame, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Days since 1970 of the rows' issue times: all rows of a local day share one."""
    days: npt.NDArray[np.int64] = frame.issue_time[rows].astype("datetime64[D]").astype(np.int64)
    return days


def cross_products(frame: FeatureFrame, columns: list[int]) -> tuple[CrossProducts, Floats]:
    """Sums of every zone and slot, the pooled ones last, and the means that stand in for missing values."""
    n_zones, n_slots = len(frame.schema.zones), frame.schema.slots_per_day
    rows = np.flatnonzero(frame.usable())
    zone = frame.X[rows, frame.schema.index("zone_code")].astype(np.int64)
    slot = frame.X[rows, frame.schema.index("slot")].astype(np.int64)
    fill = means_of(frame.X[rows[:: max(1, len(rows) // FILL_ROWS)]][:, columns])
    group = np.where(zone < 0, n_zones, zone) * n_slots + slot
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange((n_zones + 1) * n_slots + 1))
    sums = CrossProducts.empty((n_zones + 1) * n_slots, len(columns))
    ratio = frame.ratio
    for number in range(n_zones * n_slots):
        chosen = rows[order[edges[number] : edges[number + 1]]]
        if not len(chosen):
            continue
        inputs = frame.X[chosen][:, columns]
        sums.add(number, np.where(np.isfinite(inputs), inputs, fill), ratio[chosen])
    for number in range(n_slots):
        sums.pool(n_zones * n_slots + number, [zone * n_slots + number for zone in range(n_zones)])
    return sums, fill


def means_of(inputs: Floats) -> Floats:
    """Mean of each column, to stand in for missing values."""
    finite = np.isfinite(inputs)
    count = np.maximum(finite.sum(axis=0), 1)
    fill: Floats = np.where(finite, inputs, 0.0).sum(axis=0) / count
    return fill
