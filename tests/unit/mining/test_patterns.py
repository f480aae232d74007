from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from mined_grid import EVENING, MORNING, loads_of, measurements, noisy

from smartgrid.mining.odd_days import find_odd_days, stretches
from smartgrid.mining.run_errors import NotEnoughDays
from smartgrid.mining.shapes import find_shapes, shape_name
from smartgrid.mining.shapes_file import shapes_file

DAYS = 100


def test_zones_with_the_same_shape_and_another_size_share_a_cluster() -> None:
    zones = {"Z1": noisy(MORNING, DAYS), "Z2": 40 * noisy(MORNING, DAYS, 3), "Z3": noisy(EVENING, DAYS, 4)}
    shapes = find_shapes(loads_of(measurements(DAYS, zones), DAYS), k=2)
    found = shapes_file(shapes, {})
    clusters = found.shares().argmax(axis=1).tolist()
    assert clusters[0] == clusters[1] != clusters[2]
    assert found.sizes() == [2 * (DAYS - 29), DAYS - 29]
    assert "peak 7-10 h" in shape_name(found.shape[0])
    assert found.centroid_kw[0][8] > found.centroid_kw[1][8]


def test_days_with_missing_hours_are_left_out_and_named() -> None:
    values = noisy(MORNING, DAYS)
    values[90, 3:20] = np.nan
    values[91, 3] = np.nan
    shapes = find_shapes(loads_of(measurements(DAYS, {"Z1": values}), DAYS), k=2)
    assert shapes.excluded == (("Z1", 90 - 29),)
    assert shapes.bridged == 1


def test_the_k_of_the_run_before_stays_while_it_is_nearly_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    zones = {"Z1": noisy(MORNING, DAYS), "Z2": noisy(EVENING, DAYS, 3), "Z3": noisy(MORNING + EVENING, DAYS, 4)}
    loads = loads_of(measurements(DAYS, zones), DAYS)
    assert find_shapes(loads).k == 3
    # Three shapes in four clusters are neither stable nor well apart.
    again = find_shapes(loads, k_before=4)
    assert (again.k, again.kept) == (3, False)
    monkeypatch.setattr("smartgrid.mining.shapes.KEPT_SILHOUETTE", 2.0)
    monkeypatch.setattr("smartgrid.mining.shapes.STABLE", -1.0)
    kept = find_shapes(loads, k_before=4)
    assert (kept.k, kept.kept) == (4, True)
    assert [point.k for point in kept.result.curve] == [3, 4, 5, 6, 7, 8]


def test_too_few_days_are_an_error_that_says_how_many() -> None:
    with pytest.raises(NotEnoughDays, match="at least 30") as error:
        find_shapes(loads_of(measurements(40, {"Z1": MORNING}), 40))
    assert error.value.have == 11


def test_an_odd_day_is_found_and_explained_by_hours_direction_and_kw() -> None:
    values = noisy(EVENING, DAYS)
    values[80, 17:22] += 900
    found = find_odd_days(loads_of(measurements(DAYS, {"Z1": values, "Z2": noisy(MORNING, DAYS, 9)}), DAYS))
    odd = [one for one in found.odd if one.zone == "Z1" and one.distance > 0.1]
    assert [one.day for one in odd] == [date(2007, 3, 22)]
    [cause] = odd[0].stretches
    assert (cause.begin, cause.end, cause.direction) == (17, 22, "above")
    assert cause.difference_kw == pytest.approx(900, rel=0.1)
    assert "17-22 h above usual by" in odd[0].text


def test_a_step_of_the_level_is_odd_until_it_is_usual() -> None:
    """As zone 10 of the embedded data: many days that resemble each other are odd all the same."""
    values = noisy(EVENING, 140)
    values[100:] *= 2.8
    found = find_odd_days(loads_of(measurements(140, {"Z1": values}), 140))
    odd = [(one.day - date(2007, 1, 1)).days for one in found.odd if one.distance > 0.5]
    assert odd[0] == 100
    assert set(range(100, 110)) <= set(odd)
    assert max(odd) < 128
    assert all(one.stretches[0].direction == "above" for one in found.odd if one.distance > 0.5)


def test_a_works_feeder_that_jumps_does_not_hide_the_odd_day_of_a_calm_zone() -> None:
    random = np.random.default_rng(3)
    jumping = 1000 * random.uniform(0.2, 3, (DAYS, 24))
    calm = noisy(MORNING, DAYS)
    calm[70] *= 0.8
    found = find_odd_days(loads_of(measurements(DAYS, {"Z1": calm, "Z9": jumping}), DAYS))
    assert date(2007, 3, 12) in [one.day for one in found.odd if one.zone == "Z1"]
    assert sum(one.zone == "Z9" for one in found.odd) < 0.5 * (DAYS - 29)


def test_a_zone_with_too_few_days_is_not_judged_and_says_so() -> None:
    found = find_odd_days(loads_of(measurements(45, {"Z1": MORNING}), 45))
    assert found.odd == ()
    assert "too few" in found.zones[0].why_not


def test_hours_on_either_side_are_separate_stretches() -> None:
    usual = np.full(24, 100.0)
    load = usual.copy()
    load[3:6], load[12:20] = 50, 160
    text = [str(one) for one in stretches(load, usual)]
    assert text == [
        "03-06 h below usual by 50 kW (\N{MINUS SIGN}50 %)",
        "12-20 h above usual by 60 kW (+60 %)",
    ]


@pytest.mark.parametrize(
    ("shape", "name"),
    [(np.ones(24), "flat"), (MORNING, "peak 7-10 h"), (np.maximum(MORNING, EVENING), "peaks 8-9 h and 18-21 h")],
)
def test_a_shape_is_named_by_its_peaks(shape: np.ndarray, name: str) -> None:
    assert shape_name(shape).startswith(name)
