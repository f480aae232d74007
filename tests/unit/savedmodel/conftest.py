"""Feature rows with a known relation, small enough that every estimator fits in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from smartgrid.features.schema import FeatureSchema


@dataclass(frozen=True)
class Table:
    schema: FeatureSchema
    X: npt.NDArray[np.float64]
    ratio: npt.NDArray[np.float64]
    held_out: npt.NDArray[np.float64]

    @property
    def columns(self) -> list[int]:
        return [index for index, name in enumerate(self.schema.names) if name != "level_kw"]

    @property
    def inputs(self) -> npt.NDArray[np.float64]:
        return self.X[:, self.columns]


def _rows(generator: np.random.Generator, count: int, width: int) -> npt.NDArray[np.float64]:
    X = generator.normal(1.0, 0.3, (count, width))
    X[:, 0] = generator.integers(-1, 3, count)
    X[:, 1] = generator.integers(0, 24, count)
    X[:, 2] = generator.uniform(50, 50_000, count)
    X[:, 5] = generator.integers(0, 2, count)  # a flag: ties and thresholds between equal values
    X[:, 6] = np.round(X[:, 6], 1)
    X[:, 9][generator.random(count) < 0.05] = np.nan
    return X


@pytest.fixture(scope="session")
def table() -> Table:
    names = ["zone_code", "slot", "level_kw", *[f"feature_{number}" for number in range(10)]]
    schema = FeatureSchema(names=names, zones=["A", "B", "C"], interval_minutes=60, timezone="UTC", temperature="none")
    generator = np.random.default_rng(7)
    X = _rows(generator, 900, len(names))
    filled = np.nan_to_num(X, nan=1.0)
    ratio = 1 + 0.2 * np.sin(filled[:, 1] / 4) + 0.3 * filled[:, 3] * filled[:, 6] + generator.normal(0, 0.02, 900)
    return Table(schema, X, ratio, _rows(generator, 400, len(names)))
