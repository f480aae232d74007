"""A CSV file as text columns; lines that do not fit become rows too."""

from __future__ import annotations

import csv
import io

import polars as pl
from polars.exceptions import PolarsError

from smartgrid.ingest.normalise import MALFORMED


def read_csv_table(data: bytes, separator: str) -> pl.DataFrame:
    """Every line after the header as one row of text columns, in order.

    A line with too many or too few fields or with broken quotes has null in all columns and its text in `MALFORMED`.
    Blank lines are no rows. An empty file has no columns. Bytes that are not UTF-8 are read as Windows-1252.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    text = text.replace("\r\n", "\n").lstrip("\n")
    header_line, _, body = text.partition("\n")
    if not header_line.strip():
        return pl.DataFrame()
    header = _unique([name.strip() for name in next(csv.reader([header_line], delimiter=separator))])
    table = _regular(body, header, separator)
    return table if table is not None else _line_by_line(body, header, separator)


def _regular(body: str, header: list[str], separator: str) -> pl.DataFrame | None:
    """The fast way, for files without quotes in which the number of separators is right; else None."""
    if '"' in body or not body:
        return None
    lines = body.count("\n") + (not body.endswith("\n"))
    # Too many fields raise below, so that an equal total proves that no line has too few.
    if len(header) == 1 or body.count(separator) != lines * (len(header) - 1):
        return None
    try:
        table = _read(body, header, separator)
    except PolarsError:
        return None
    return table if table.height == lines else None


def _read(body: str, header: list[str], separator: str) -> pl.DataFrame:
    return pl.read_csv(
        io.BytesIO(body.encode()),
        has_header=False,
        schema=dict.fromkeys(header, pl.String()),
        separator=separator,
        quote_char=None,
        extra_columns="raise",
    )


def _line_by_line(body: str, header: list[str], separator: str) -> pl.DataFrame:
    lines = pl.DataFrame({"line": body.split("\n")}, schema={"line": pl.String()}).with_row_index("row")
    lines = lines.filter(pl.col("line").str.strip_chars() != "")
    plain = ~pl.col("line").str.contains('"', literal=True) & (
        pl.col("line").str.count_matches(separator, literal=True) == len(header) - 1
    )
    simple, special = lines.filter(plain), lines.filter(~plain)
    parts: list[pl.DataFrame] = []
    if not simple.is_empty():
        if len(header) == 1:
            table = simple.select(pl.col("line").alias(header[0]))
        else:
            table = _read("\n".join(simple["line"].to_list()), header, separator)
        parts.append(table.with_columns(simple["row"], pl.lit(None, pl.String).alias(MALFORMED)))
    if not special.is_empty():
        columns = [*header, MALFORMED]
        records = [_fields(line, len(header), separator) for line in special["line"]]
        table = pl.DataFrame(records, schema=dict.fromkeys(columns, pl.String()), orient="row")
        parts.append(table.with_columns(special["row"]).select(*header, "row", MALFORMED))
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String()))
    return pl.concat(parts).sort("row").drop("row")


def _fields(line: str, expected: int, separator: str) -> list[str | None]:
    """The fields of one line and None, or as many None and the line."""
    try:
        fields = next(csv.reader([line], delimiter=separator, strict=True))
    except (csv.Error, StopIteration):
        return [None] * expected + [line]
    # Separators at the end of every line but not of the header are common and harmless.
    if len(fields) < expected or any(field.strip() for field in fields[expected:]):
        return [None] * expected + [line]
    return [*fields[:expected], None]


def _unique(names: list[str]) -> list[str]:
    """Names with a number after those that repeat."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
