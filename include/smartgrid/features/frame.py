"""A table of feature rows: one row a zone and target time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from smartgrid.features.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """Rows in the order zone, target time.

    `zone` (n,) str; `target_time`, `issue_time` (n,) datetime64[us] in UTC; `X` (n, k) float64 in the order of
    `schema.names`; `y_kw` (n,) float64, NaN where the load is not known.
    """

    schema: FeatureSchema
    zone: npt.NDArray[np.str_]
    target_time: npt.NDArray[np.datetime64]
    issue_time: npt.NDArray[np.datetime64]
    X: npt.NDArray[np.float64]
    y_kw: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def column(self, name: str) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.float64] = self.X[:, self.schema.index(name)]
        return values

    def where(self, mask: npt.NDArray[np.bool_]) -> FeatureFrame:
        """The rows for which `mask` (n,) is true."""
        return replace(
            self,
            zone=self.zone[mask],
            target_time=self.target_time[mask],
            issue_time=self.issue_time[mask],
            X=self.X[mask],
            y_kw=self.y_kw[mask],
        )

    def between(self, start: np.datetime64, end: np.datetime64) -> FeatureFrame:
        """Rows issued in [start, end)."""
        return self.where((self.issue_time >= start) & (self.issue_time < end))

    def usable(self) -> npt.NDArray[np.bool_]:
        """Rows (n,) with a known load and a level to scale it by."""
        level = self.column("level_kw")
        usable: npt.NDArray[np.bool_] = (
            np.isfinite(self.y_kw) & np.isfinite(level) & (level > 0) & np.isfinite(self.column("lag_7d"))
        )
        return usable

    def trainable(self) -> FeatureFrame:
        """The usable rows; the frame itself where that is all of them."""
        usable = self.usable()
        return self if bool(usable.all()) else self.where(usable)

    @property
    def ratio(self) -> npt.NDArray[np.float64]:
        """The training target: load divided by the level of the zone."""
        values: npt.NDArray[np.float64] = self.y_kw / self.column("level_kw")
        return values
