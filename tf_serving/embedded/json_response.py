"""Named arrays to the body of a :predict answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.json_request import Format
from tf_serving.embedded.json_writer import array_in_line, array_in_lines, array_rows, checked, quoted
from tf_serving.embedded.status import invalid

_MEMBER, _ROW, _CELL = " " * 4, " " * 8, " " * 12


def predict_answer(outputs: Mapping[str, Array], form: Format) -> bytes:
    """`predictions` by row or `outputs` by name. Every float is written so that it reads back to the same bits.

    Raises:
        ServingError: the outputs cannot be cut into rows, or hold a type that JSON has not.
    """
    if form == "columnar":
        if len(outputs) == 1:
            ((alias, array),) = outputs.items()
            return _document("outputs", array_in_lines(alias, array, _MEMBER))
        members = (f"{_ROW}{quoted(alias)}: {array_in_lines(alias, outputs[alias], _ROW)}" for alias in sorted(outputs))
        return _document("outputs", "{\n" + ",\n".join(members) + f"\n{_MEMBER}}}")
    rows: int | None = None
    for alias in sorted(outputs):
        array = outputs[alias]
        if array.ndim == 0:
            raise invalid(f"Tensor name: {alias} has no shape information ")
        if rows is not None and len(array) != rows:
            raise invalid(f"Tensor name: {alias} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)
    if not rows:
        for alias, array in outputs.items():
            checked(alias, array)
        return _document("predictions", "[]")
    if len(outputs) == 1:
        ((alias, array),) = outputs.items()
        return _document("predictions", array_in_line(alias, array)[:-1] + "\n    ]")
    columns = {alias: array_rows(alias, outputs[alias]) for alias in sorted(outputs)}
    lines = (_row(columns, row) for row in zip(*columns.values(), strict=True))
    return _document("predictions", "[\n" + ",\n".join(lines) + "\n    ]")


def _row(columns: Iterable[str], row: tuple[str, ...]) -> str:
    cells = (f"{_CELL}{quoted(alias)}: {text}" for alias, text in zip(columns, row, strict=True))
    return _ROW + "{\n" + ",\n".join(cells) + "\n" + _ROW + "}"


def _document(key: str, value: str) -> bytes:
    return f'{{\n    "{key}": {value}\n}}'.encode("utf-8", "surrogateescape")
