"""Metrics in their textbook definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.evaluation.metrics import score


def test_metrics_of_a_worked_example() -> None:
    scores = score(np.array([100.0, 200.0, 400.0]), np.array([110.0, 190.0, 400.0]), naive_scale_kw=20.0)
    assert scores.mape_percent == pytest.approx((10 + 5 + 0) / 3)
    assert scores.mase == pytest.approx((20 / 3) / 20)
    assert scores.rmse_kw == pytest.approx((200 / 3) ** 0.5)
    assert scores.bias_kw == pytest.approx(0.0)
    assert scores.rows == 3


def test_pairs_with_a_missing_side_are_left_out() -> None:
    scores = score(np.array([100.0, np.nan, 50.0]), np.array([100.0, 1.0, np.nan]), 10.0)
    assert (scores.rows, scores.mape_percent) == (1, 0.0)


def test_no_pair_gives_no_number_instead_of_a_wrong_one() -> None:
    scores = score(np.array([np.nan]), np.array([1.0]), 10.0)
    assert (scores.mape_percent, scores.mase, scores.rmse_kw, scores.bias_kw, scores.rows) == (None,) * 4 + (0,)


def test_zero_load_does_not_make_mape_infinite() -> None:
    assert score(np.array([0.0, 100.0]), np.array([5.0, 101.0]), None).mape_percent == pytest.approx(1.0)


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=50), st.floats(0.1, 10.0))
def test_scaling_all_loads_changes_no_relative_metric(loads: list[float], factor: float) -> None:
    actual = np.array(loads)
    predicted = actual[::-1]
    first, second = score(actual, predicted, 7.0), score(actual * factor, predicted * factor, 7.0 * factor)
    assert first.mape_percent is not None
    assert first.mase is not None
    assert second.mape_percent == pytest.approx(first.mape_percent, rel=1e-9, abs=1e-9)
    assert second.mase == pytest.approx(first.mase, rel=1e-9, abs=1e-9)
