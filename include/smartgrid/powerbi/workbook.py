"""An Excel workbook from DAX queries: what the service itself exports to Excel only for paginated reports."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.entities import Json, moment

# The service answers at most so many rows to one query; more would be missing in silence.
MOST_ROWS = 100_000
_BAD_IN_TITLES = re.compile(r"[\[\]:*?/\\]")
_COLUMN = re.compile(r".*\[(.*)\]$")


def write_workbook(client: PowerBiClient, dataset_id: str, queries: Mapping[str, str]) -> bytes:
    """One sheet for each of `queries` (title to DAX)."""
    return workbook({title: client.query(dataset_id, dax) for title, dax in queries.items()})


def workbook(sheets: Mapping[str, list[Json]]) -> bytes:
    """The file. Text stays text: a value that begins with `=` must not become a formula in somebody's Excel."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(_BAD_IN_TITLES.sub(" ", title)[:31] or "Data")
        names = list(dict.fromkeys(name for row in rows for name in row))
        sheet.append(_cells(sheet, [_heading(name) for name in names]))
        for row in rows[:MOST_ROWS]:
            sheet.append(_cells(sheet, [row.get(name) for name in names]))
        if len(rows) >= MOST_ROWS:
            sheet.append(_cells(sheet, [f"Cut off: the service answers at most {MOST_ROWS:,} rows."]))
    if not sheets:
        book.create_sheet("Data")
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _cells(sheet: Any, values: Iterable[object]) -> list[Any]:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    cells = []
    for value in values:
        shown: object = value
        if isinstance(value, str):
            time = moment(value) if len(value) >= 19 and value[4:5] == "-" and value[10:11] == "T" else None
            # Excel knows no time zones; the service's times are UTC or local by the model.
            shown = time.replace(tzinfo=None) if time else ILLEGAL_CHARACTERS_RE.sub("", value)[:32_767]
        cell = WriteOnlyCell(sheet, value=shown)
        if isinstance(shown, str):
            cell.data_type = "s"
        cells.append(cell)
    return cells


def _heading(name: str) -> str:
    """`Zone[load_kw]` and `[load_kw]` are the column `load_kw`."""
    match = _COLUMN.match(name)
    return match.group(1) if match else name
