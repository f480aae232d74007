"""Clusters of a run as JSON, and back: what the later steps, the pictures and the store are made of."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from smartgrid.mining.shapes import Shapes, curve_json

_Floats = npt.NDArray[np.float64]


class ShapesFile(BaseModel):
    """`shapes.json`. Rows: zone `zones[zone[i]]`, local day `first` + `day[i]`, cluster `label[i]` (0: the largest)."""

    model_config = ConfigDict(frozen=True)

    zones: tuple[str, ...]
    first: date
    window_days: int
    k: int
    chosen: bool
    kept: bool
    silhouette: float | None
    stability: float | None
    inertia: float
    curve: list[dict[str, Any]]
    parameters: dict[str, Any]
    shape: list[list[float]]
    shape_low: list[list[float]]
    shape_high: list[list[float]]
    centroid_kw: list[list[float]]
    zone: list[int]
    day: list[int]
    label: list[int]
    excluded: list[tuple[str, int]]
    bridged: int
    same_as: dict[str, str]

    def date_of(self, day: int) -> date:
        return self.first + timedelta(days=day)

    def sizes(self) -> list[int]:
        return [int(size) for size in np.bincount(self.label, minlength=self.k)]

    def shares(self, last_days: int | None = None) -> _Floats:
        """(zones, k): share of each zone's days in each cluster, of the last `last_days` days or of all."""
        zone, day, label = np.array(self.zone), np.array(self.day), np.array(self.label)
        recent = day >= (0 if last_days is None else self.window_days - last_days)
        counts = np.zeros((len(self.zones), self.k))
        np.add.at(counts, (zone[recent], label[recent]), 1)
        return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), dtype=np.float64)


def shapes_file(shapes: Shapes, same_as: dict[str, str]) -> ShapesFile:
    result = shapes.result
    return ShapesFile(
        zones=shapes.zones,
        first=shapes.first_date,
        window_days=shapes.window_days,
        k=shapes.k,
        chosen=bool(result.curve),
        kept=shapes.kept,
        silhouette=result.silhouette,
        stability=result.stability,
        inertia=result.inertia,
        curve=curve_json(result),
        parameters={name: value for name, value in result.parameters.items() if not isinstance(value, np.generic)},
        shape=np.round(shapes.shape, 5).tolist(),
        shape_low=np.round(shapes.shape_bands[0], 5).tolist(),
        shape_high=np.round(shapes.shape_bands[1], 5).tolist(),
        centroid_kw=np.round(shapes.centroids_kw, 2).tolist(),
        zone=shapes.zone.tolist(),
        day=shapes.day.tolist(),
        label=shapes.label.tolist(),
        excluded=list(shapes.excluded),
        bridged=shapes.bridged,
        same_as=same_as,
    )
