"""Feature rows that H2O learns something from in a moment."""

from __future__ import annotations

import numpy as np

from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import FeatureSchema


def load_frame(days: int = 45, others: int = 9) -> FeatureFrame:
    """Two zones, hourly; load depends on yesterday's, the hour and the temperature. Some values are missing, one
    column always."""
    generator = np.random.default_rng(5)
    names = ["zone_code", "slot", "level_kw", "lag_1d", "lag_7d", "temperature_now", "never_known", "holiday"]
    names += [f"other_{number}" for number in range(others)]
    schema = FeatureSchema(names=names, zones=["A", "B"], interval_minutes=60, timezone="UTC", temperature="forecast")
    hours, zones = days * 24, 2
    count = hours * zones
    X = generator.normal(1, 0.2, (count, len(names)))
    X[:, 0], X[:, 1] = np.repeat([0, 1], hours), np.tile(np.arange(hours) % 24, zones)
    X[:, 2] = np.repeat([1000.0, 20_000.0], hours)
    X[:, 7] = generator.integers(0, 2, count)
    warm = np.maximum(X[:, 5] - 1, 0)
    ratio = 0.6 * X[:, 3] + 0.2 * np.sin(X[:, 1] / 4) + 0.5 * warm - 0.1 * X[:, 7] + 0.4
    ratio += generator.normal(0, 0.01, count)
    X[:, 6] = np.nan
    X[generator.random(count) < 0.05, 5] = np.nan
    X[generator.random(count) < 0.02, 8] = np.nan
    times = np.tile(np.datetime64("2007-01-01", "us") + np.arange(hours) * np.timedelta64(1, "h"), zones)
    zone = np.repeat(np.array(["A", "B"]), hours)
    return FeatureFrame(schema, zone, times, times, X, ratio * X[:, 2])
