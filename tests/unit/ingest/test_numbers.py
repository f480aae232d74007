from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.ingest.numbers import parse_numbers
from smartgrid.ingest.units import load_factor, to_celsius


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.5", 1234.5),
        ("1,234,567", 1234567.0),
        (" 7 ", 7.0),
        ("-3", -3.0),
        ("1e3", 1000.0),
        ("+5.0", 5.0),
        ("", None),
    ],
)
def test_number_is_read(text: str, number: float | None) -> None:
    numbers, unread = parse_numbers(pl.Series([text]))
    assert (numbers.to_list(), unread.to_list()) == ([number], [None])


@pytest.mark.parametrize(
    "text", ["1,5", "12,34", "1.234,5", "n/a", "12 kW", "nan", "NaN", "inf", "-inf", "--", "1_000"]
)
def test_what_is_no_number_is_kept_as_text(text: str) -> None:
    numbers, unread = parse_numbers(pl.Series([text]))
    assert (numbers.to_list(), unread.to_list()) == ([None], [text])


@pytest.mark.parametrize(
    ("text", "number"), [("1.234,5", 1234.5), ("1,5", 1.5), ("1.500", 1500.0), ("-3,25", -3.25), ("7", 7.0)]
)
def test_number_with_decimal_comma_is_read(text: str, number: float) -> None:
    numbers, unread = parse_numbers(pl.Series([text]), decimal_comma=True)
    assert (numbers.to_list(), unread.to_list()) == ([number], [None])


@pytest.mark.parametrize("text", ["1.5", "1,234.5", "1.23"])
def test_decimal_point_is_never_taken_for_a_thousands_separator(text: str) -> None:
    numbers, unread = parse_numbers(pl.Series([text]), decimal_comma=True)
    assert (numbers.to_list(), unread.to_list()) == ([None], [text])


def test_nan_and_infinity_of_typed_columns_are_no_numbers() -> None:
    numbers, unread = parse_numbers(pl.Series([1.0, float("nan"), float("inf"), None]))
    assert numbers.to_list() == [1.0, None, None, None]
    assert unread.to_list() == [None, "NaN", "inf", None]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_survives_its_text(values: list[float]) -> None:
    numbers, unread = parse_numbers(pl.Series([repr(value) for value in values]))
    assert numbers.to_list() == values
    assert unread.null_count() == len(values)


@pytest.mark.parametrize(
    ("unit", "minutes", "factor"),
    [("kWh", 60, 1.0), ("kWh", 15, 4.0), ("MWh", 30, 2000.0), ("Wh", 60, 0.001), ("W", 15, 0.001), ("GW", 5, 1e6)],
)
def test_energy_per_interval_becomes_mean_power(unit: str, minutes: int, factor: float) -> None:
    assert load_factor(unit, minutes) == pytest.approx(factor)  # type: ignore[arg-type]


def test_temperatures_become_celsius() -> None:
    assert to_celsius(pl.Series([32.0, 212.0, -40.0]), "F").to_list() == pytest.approx([0.0, 100.0, -40.0])
    assert to_celsius(pl.Series([273.15]), "K").to_list() == pytest.approx([0.0])
