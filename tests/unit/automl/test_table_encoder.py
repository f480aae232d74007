"""Any table becomes numbers, the same in training and after."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smartgrid.automl.table_encoder import MOST_CATEGORIES, BadTable, TableEncoder


def test_numbers_times_and_text_become_numbers_and_missing_stays_missing() -> None:
    table = pd.DataFrame(
        {
            "load": [1.0, np.nan, np.inf],
            "open": [True, False, True],
            "at": pd.to_datetime(["2024-01-01", None, "2024-01-02"]),
            "zone": ["b", "a", "b"],
        }
    )
    encoder = TableEncoder.fit(table)
    assert encoder.names == ["load", "open", "at", "zone=a", "zone=b"]
    encoded = encoder.encode(table)
    np.testing.assert_array_equal(encoded[:, 0], [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(encoded[:, 1], [1, 0, 1])
    assert encoded[2, 2] - encoded[0, 2] == 86_400
    assert np.isnan(encoded[1, 2])
    np.testing.assert_array_equal(encoded[:, 3:], [[0, 1], [1, 0], [0, 1]])


def test_values_that_training_did_not_see_are_no_category() -> None:
    encoder = TableEncoder.fit(np.array([["x"], ["y"], ["x"]], dtype=object))
    np.testing.assert_array_equal(encoder.encode(np.array([["z"]], dtype=object)), [[0, 0]])


def test_text_keeps_its_commonest_values() -> None:
    rare = [f"v{number}" for number in range(100)]
    encoder = TableEncoder.fit(pd.DataFrame({"a": [*rare, "often", "often"]}))
    assert len(encoder.names) == MOST_CATEGORIES
    assert "a=often" in encoder.names


@pytest.mark.parametrize("table", [np.zeros(3), np.zeros((3, 0))])
def test_what_is_no_table_is_refused(table: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(BadTable):
        TableEncoder.fit(table)


def test_other_columns_than_in_training_are_refused() -> None:
    encoder = TableEncoder.fit(np.zeros((3, 2)))
    with pytest.raises(BadTable, match="has 3 columns"):
        encoder.encode(np.zeros((1, 3)))
    with pytest.raises(BadTable, match="has text"):
        encoder.encode(np.array([["a", "b"]], dtype=object))
