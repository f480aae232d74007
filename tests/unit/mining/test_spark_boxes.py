"""Boxes of a k-d tree part the space, whatever sample they are made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.mining.spark_boxes import boxes_of
from smartgrid.mining.spark_statistics import Moments, Scaling, survey, survey_of


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([1, 2, 7, 16]), st.sampled_from([1e-6, 0.05, 0.5]))
def test_a_row_is_in_one_box_and_near_rows_are_in_its_margin(seed: int, columns: int, parts: int, eps: float) -> None:
    random = np.random.default_rng(seed)
    x = np.round(random.standard_normal((300, columns)), 1)  # many rows on the walls
    boxes = boxes_of(x[:80], eps, parts)
    assert len(boxes) <= 16
    held = np.stack([boxes.holds(x, box) for box in range(len(boxes))])
    assert (held.sum(axis=0) == 1).all()
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    for box in range(len(boxes)):
        near = (distance[held[box]] <= eps).any(axis=0)
        assert boxes.within(x, box, eps)[near].all()
        assert boxes.within(x, box, 0.0)[held[box]].all()


def test_a_survey_of_parts_is_that_of_the_whole() -> None:
    random = np.random.default_rng(0)
    x = 1e6 + random.standard_normal((1000, 3)) * [1, 10, 0]
    parts = survey(((np.arange(begin, begin + 100), x[begin : begin + 100]) for begin in range(0, 1000, 100)), "none")
    assert parts.rows == 1000
    assert parts.moments is not None
    np.testing.assert_allclose(parts.moments.mean, x.mean(axis=0))
    np.testing.assert_allclose(parts.moments.deviation, x.std(axis=0), atol=1e-9)
    assert (parts.low == x.min(axis=0)).all()
    assert (parts.high == x.max(axis=0)).all()


def test_a_survey_finds_what_is_wrong_and_where() -> None:
    x = np.ones((30, 2))
    x[7, 1], x[9, 0], x[9, 1] = np.nan, np.inf, -np.inf
    bad = survey_of(np.arange(100, 130), x, "none")
    assert (bad.bad_values, bad.bad_columns, bad.bad_rows) == (3, {0, 1}, [107, 109])
    small = survey_of(np.arange(2), np.array([[1.0, 1.0], [-3.0, 1.0]]), "row-mean")
    assert small.small_rows == [(1, -1.0)]


def test_scaling_by_batch_is_that_of_the_whole_matrix() -> None:
    from smartgrid.mining.matrix import as_matrix
    from smartgrid.mining.scaling import SCALERS, prepared

    x = np.random.default_rng(0).uniform(1, 9, (50, 3))
    of_all = Moments.of(x)
    for scaler in SCALERS:
        low, high = x.min(axis=0), x.max(axis=0)
        shift, scale = (of_all.mean, of_all.deviation) if scaler == "standard" else (low, high - low)
        np.testing.assert_allclose(Scaling(scaler, shift, scale)(x), prepared(as_matrix(x), scaler))
