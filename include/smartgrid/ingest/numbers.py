"""Numbers as people write them, column by column."""

from __future__ import annotations

import polars as pl

# Thousands separators count only where they stand at every third digit: "1,5" is not fifteen.
_THOUSANDS_COMMA = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"
_DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d*)?([eE][+-]?\d+)?$"


def parse_numbers(values: pl.Series, decimal_comma: bool = False) -> tuple[pl.Series, pl.Series]:
    """Return (numbers f64, text of what is there but is no finite number).

    >>> numbers, unread = parse_numbers(pl.Series(["1,234.5", "n/a", "", "nan"]))
    >>> numbers.to_list(), unread.to_list()
    ([1234.5, None, None, None], [None, 'n/a', None, 'nan'])
    """
    if values.dtype == pl.String:
        text = values.str.strip_chars(" \t\r\n\u00a0")
        numbers = _from_decimal_comma(text) if decimal_comma else _from_decimal_point(text)
    else:
        text = values.cast(pl.String, strict=False)
        numbers = values.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite().fill_null(True), None)
    # Not `text`: what was written is kept as it was written.
    written = values if values.dtype == pl.String else text
    unread = written.set(numbers.is_not_null() | (text == "").fill_null(False), None)
    return numbers, unread


def _from_decimal_point(text: pl.Series) -> pl.Series:
    numbers = text.cast(pl.Float64, strict=False)
    if not (numbers.is_null() & text.is_not_null()).any():
        return numbers
    grouped = text.set(~text.str.contains(_THOUSANDS_COMMA).fill_null(False), None)
    return numbers.fill_null(grouped.str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False))


def _from_decimal_comma(text: pl.Series) -> pl.Series:
    readable = text.set(~text.str.contains(_DECIMAL_COMMA).fill_null(False), None)
    plain = readable.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return plain.cast(pl.Float64, strict=False)
