from __future__ import annotations

import numpy as np
from mined_grid import EVENING, MORNING, loads_of, measurements, noisy

from smartgrid.mining.daily_loads import same_readings, usual


def test_a_day_starts_at_local_midnight() -> None:
    loads = loads_of(measurements(40, {"Z1": MORNING}), 40)
    assert loads.load_kw[0].mean(axis=0).argmax() == 8


def test_usual_is_the_median_of_the_same_kind_of_day_before_and_not_of_the_day_itself() -> None:
    values = noisy(np.ones(24), 60)
    weekends = [day for day in range(60) if day % 7 >= 5]
    values[weekends] *= 0.5
    values[45] *= 10
    loads = loads_of(measurements(60, {"Z1": values}), 60)
    expected = usual(loads, loads.load_kw)[0]
    assert abs(expected[45].mean() - 1000) < 20
    assert abs(expected[47].mean() - 500) < 20
    assert np.isnan(expected[0]).all()


def test_short_gaps_are_bridged_and_long_ones_stay() -> None:
    values = noisy(np.ones(24), 40)
    values[35, 10:12] = np.nan
    values[36, 10:13] = np.nan
    loads = loads_of(measurements(40, {"Z1": values}), 40)
    bridged, which = loads.bridged(2)
    assert not np.isnan(bridged[0, 35]).any()
    assert np.isnan(bridged[0, 36]).sum() == 3
    assert which[0].nonzero()[0].tolist() == [35]


def test_a_zone_with_the_readings_of_another_is_named() -> None:
    values = noisy(EVENING, 40)
    frame = measurements(40, {"Z2": values, "Z10": values, "Z11": noisy(EVENING, 40, seed=5)})
    assert same_readings(loads_of(frame, 40)) == {"Z10": "Z2"}
