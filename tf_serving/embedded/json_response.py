"""Named arrays to the body of a :predict answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_serving.embedded import dtypes
from tf_serving.embedded.dtypes import TF_TYPES, Array, type_name
from tf_serving.embedded.json_request import Format
from tf_serving.embedded.status import invalid


def predict_answer(outputs: Mapping[str, Array], form: Format) -> bytes:
    """`predictions` by row or `outputs` by name. Every float is written so that it reads back to the same bits.

    Raises:
        ServingError: the outputs cannot be cut into rows, or hold a type that JSON has not.
    """
    values = {alias: _values(outputs[alias]) for alias in sorted(outputs)}
    if form == "columnar":
        return _dump({"outputs": values if len(values) > 1 else next(iter(values.values()))})
    rows: int | None = None
    for alias in values:
        array = outputs[alias]
        if array.ndim == 0:
            raise invalid(f"Tensor name: {alias} has no shape information ")
        if rows is not None and len(array) != rows:
            raise invalid(f"Tensor name: {alias} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)
    if len(values) == 1:
        return _dump({"predictions": next(iter(values.values()))})
    return _dump({"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]})


def _values(array: Array) -> Any:
    number = TF_TYPES[array.dtype]
    if number == dtypes.DT_HALF:
        raise invalid(f"Failed to write JSON value for tensor type: {type_name(number)}")
    if number == dtypes.DT_FLOAT:
        # The shortest text of the 32-bit number, not of its 64-bit neighbour: 0.1, not 0.10000000149011612.
        return np.array([float(str(value)) for value in array.ravel()]).reshape(array.shape).tolist()
    return array.tolist()


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()
