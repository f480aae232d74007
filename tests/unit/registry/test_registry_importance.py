from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema
from smartgrid.registry.importance import permutation_importance

NAMES = ["zone_code", "slot", "level_kw", "lag_7d", "noise", "constant"]


class LagModel:
    """Load is level times the weekly lag; nothing else matters."""

    calls = 0

    def predict(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        self.calls += 1
        load: npt.NDArray[np.float64] = X[:, 2] * X[:, 3]
        return load


def frame(rows: int) -> FeatureFrame:
    generator = np.random.default_rng(1)
    X = np.column_stack(
        [
            np.zeros(rows), np.arange(rows) % 24, np.full(rows, 100.0), generator.uniform(0.5, 1.5, rows),
            generator.normal(size=rows), np.ones(rows),
        ]
    )  # fmt: skip
    schema = FeatureSchema(names=NAMES, zones=["A"], interval_minutes=60, timezone="UTC", temperature="none")
    times = np.datetime64("2024-01-01", "us") + np.arange(rows) * np.timedelta64(1, "h")
    return FeatureFrame(schema, np.full(rows, "A"), times, times, X, X[:, 2] * X[:, 3])


def test_feature_that_decides_is_first_and_useless_ones_are_zero() -> None:
    found = permutation_importance(LagModel(), frame(500), seed=1)
    assert found[0][0] == "lag_7d"
    assert found[0][1] > 10
    assert dict(found[1:]) == {"slot": 0.0, "noise": 0.0}


def test_one_call_of_the_model_serves_many_columns() -> None:
    model = LagModel()
    permutation_importance(model, frame(500), seed=1)
    assert model.calls == 2


def test_frame_without_a_known_load_has_no_importance() -> None:
    empty = frame(50)
    empty.y_kw[:] = np.nan
    assert permutation_importance(LagModel(), empty, seed=1) == []
