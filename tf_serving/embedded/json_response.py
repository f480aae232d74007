"""Named arrays to the body of a :predict answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.json_request import Format
from tf_serving.embedded.json_writer import checked, in_line, in_lines, quoted
from tf_serving.embedded.status import invalid

_ROW, _CELL = " " * 8, " " * 12


def predict_answer(outputs: Mapping[str, Array], form: Format) -> bytes:
    """`predictions` by row or `outputs` by name. Every float is written so that it reads back to the same bits.

    Raises:
        ServingError: the outputs cannot be cut into rows, or hold a type that JSON has not.
    """
    if form == "columnar":
        values = {alias: checked(alias, outputs[alias]) for alias in sorted(outputs)}
        value = values if len(values) > 1 else next(iter(values.values()))
        return _document("outputs", in_lines(value, "    "))
    rows: int | None = None
    for alias in sorted(outputs):
        array = outputs[alias]
        if array.ndim == 0:
            raise invalid(f"Tensor name: {alias} has no shape information ")
        if rows is not None and len(array) != rows:
            raise invalid(f"Tensor name: {alias} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)
    columns = {alias: checked(alias, outputs[alias]) for alias in sorted(outputs)}
    if not rows:
        return _document("predictions", "[]")
    if len(columns) == 1:
        return _document("predictions", in_line(next(iter(columns.values())))[:-1] + "\n    ]")
    lines = (_row(columns, row) for row in zip(*columns.values(), strict=True))
    return _document("predictions", "[\n" + ",\n".join(lines) + "\n    ]")


def _row(columns: Mapping[str, Any], row: tuple[Any, ...]) -> str:
    cells = (f"{_CELL}{quoted(alias)}: {in_line(value)}" for alias, value in zip(columns, row, strict=True))
    return _ROW + "{\n" + ",\n".join(cells) + "\n" + _ROW + "}"


def _document(key: str, value: str) -> bytes:
    return f'{{\n    "{key}": {value}\n}}'.encode("utf-8", "surrogateescape")
