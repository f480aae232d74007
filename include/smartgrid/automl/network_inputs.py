"""What a neural network sees of a feature row: standardised numbers, one-hot zones, and the slot as waves.

Everything is encoded here, never by a library that guesses which columns are categories. Missing values become the
mean, which is zero after standardisation, as in the linear model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel.keras_network import CLIP

Floats = npt.NDArray[np.float64]

SLOT_WAVES = 6
KEYS = ("zone_code", "slot", "level_kw")


@dataclass(frozen=True)
class NetworkInputs:
    """`columns` (k,) of a row that are numbers, with their `mean` and `scale` (k,); `zone_table` (zones + 1, zones)
    with zeros for zones unknown to training; `slot_table` (slots, 2 * waves)."""

    zone_column: int
    slot_column: int
    columns: list[int]
    mean: Floats
    scale: Floats
    zone_table: Floats
    slot_table: Floats

    @classmethod
    def fit(cls, X: Floats, schema: FeatureSchema) -> NetworkInputs:
        """Means and deviations of the columns of `X` (n, len(schema.names)); NaN is left out."""
        columns = [index for index, name in enumerate(schema.names) if name not in KEYS]
        values = X[:, columns]
        finite = np.isfinite(values)
        count = np.maximum(finite.sum(axis=0), 1)
        mean = np.where(finite, values, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(finite, values - mean, 0.0) ** 2).sum(axis=0) / count)
        zones, slots = len(schema.zones), schema.slots_per_day
        angle = 2 * np.pi * np.arange(slots)[:, None] * np.arange(1, SLOT_WAVES + 1)[None, :] / slots
        return cls(
            zone_column=schema.index("zone_code"),
            slot_column=schema.index("slot"),
            columns=columns,
            mean=mean,
            scale=np.where(deviation > 1e-9 * (1.0 + np.abs(mean)), deviation, 1.0),
            zone_table=np.vstack([np.eye(zones), np.zeros((1, zones))]),
            slot_table=np.hstack([np.sin(angle), np.cos(angle)]),
        )

    @property
    def width(self) -> int:
        return len(self.columns) + int(self.zone_table.shape[1]) + int(self.slot_table.shape[1])

    def encode(self, X: Floats) -> Floats:
        """Rows (n, len(schema.names)) -> (n, width)."""
        numbers = X[:, self.columns]
        numbers = (np.where(np.isfinite(numbers), numbers, self.mean) - self.mean) / self.scale
        known = self.zone_table.shape[0] - 1
        zone = X[:, self.zone_column].astype(np.int64)
        zone = np.where((zone < 0) | (zone >= known), known, zone)
        slot = np.clip(X[:, self.slot_column].astype(np.int64), 0, len(self.slot_table) - 1)
        return np.hstack([np.clip(numbers, -CLIP, CLIP), self.zone_table[zone], self.slot_table[slot]])
