"""CSV as people write it: comma, semicolon, tab or bar; decimal comma; blank lines; spaces after the separator."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_SEPARATORS = (",", ";", "\t", "|")
_BLANK_LINE = re.compile(rb"(?m)^[ \t]*\r?\n")
_QUOTED = re.compile(r'"[^"]*"')
_DECIMAL_COMMA = re.compile(r"(?:^|[;\t|\"])\s*-?\d+,\d+")
# Of a cell without a number; pandas reads most of them so.
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None"]


def read_csv(path: Path, *, as_texts: bool) -> pl.DataFrame:
    """The table in a CSV file whose first line has the names; `as_texts`: every value is a text, only "" is missing.

    Raises what polars and the file system raise.
    """
    import polars as pl

    data = path.read_bytes()
    if _BLANK_LINE.search(data):
        data = _BLANK_LINE.sub(b"", data)
    beginning = data[:20_000].decode("utf-8-sig", errors="replace").splitlines()[:20]
    names = _QUOTED.sub("", beginning[0]) if beginning else ""
    separator = max(_SEPARATORS, key=names.count)  # the first of equals: a comma
    comma = separator != "," and any(_DECIMAL_COMMA.search(line) for line in beginning[1:])
    frame = pl.read_csv(
        io.BytesIO(data),
        separator=separator,
        decimal_comma=comma,
        infer_schema=not as_texts,
        infer_schema_length=None,
        null_values=None if as_texts else _MISSING,
    )
    spaced = any(name != name.strip() for name in frame.columns)
    if spaced:
        frame = frame.rename({name: name.strip() for name in frame.columns})
        frame = frame.with_columns(pl.col(pl.String).str.strip_chars())
    # A separator at the end of each line makes a column without a name.
    empty = [name for name in frame.columns if not name and frame[name].is_null().all()]
    frame = frame.drop(empty)
    return _numbers(frame) if spaced and not as_texts else frame


def _numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of texts that are numbers (after their spaces were taken off) as numbers."""
    import polars as pl

    for column in frame.select(pl.col(pl.String)):
        numbers = column.replace("", None).cast(pl.Float64, strict=False)
        if numbers.null_count() == column.replace("", None).null_count():
            frame = frame.with_columns(numbers)
    return frame
