"""The body of a :predict request: rows (`instances`) or columns (`inputs`) to named arrays."""

from __future__ import annotations

from typing import Any, Literal

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.json_parse import parse_object, shown, signature_name
from tf_serving.embedded.json_values import check, dense_shape, is_base64, to_array
from tf_serving.embedded.signature import Signature
from tf_serving.embedded.status import ServingError, invalid

Format = Literal["row", "columnar"]

_AT_ONCE = 4096


class PredictBody:
    """A parsed request; which arrays it means depends on the signature."""

    def __init__(self, body: bytes) -> None:
        """
        Raises:
            ServingError: no JSON object, or a signature name that is no text.
        """
        self._document = parse_object(body)
        self.signature_name = signature_name(self._document)
        self.format: Format = "row" if "instances" in self._document else "columnar"

    def inputs(self, signature: Signature) -> dict[str, Array]:
        """The named inputs of `signature`.

        Raises:
            ServingError: INVALID_ARGUMENT with TensorFlow Serving's text.
        """
        document = self._document
        if "instances" in document and "inputs" in document:
            raise invalid(
                f"JSON Value: {shown(document)} Not formatted correctly expecting only one of 'inputs' or "
                "'instances' keys to exist "
            )
        if not signature.inputs:
            raise invalid(f"Failed to get input map for signature: {self.signature_name or 'DEFAULT'}")
        if "inputs" in document:
            return _from_columns(document["inputs"], signature)
        if "instances" not in document:
            raise invalid("Missing 'inputs' or 'instances' key")
        rows = document["instances"]
        if not isinstance(rows, list):
            raise invalid(f"JSON Value: {shown(document)} Expecting 'instances' to be an list/array")
        if not rows:
            raise invalid(f"JSON Value: {shown(document)} No values in 'instances' array")
        return _from_rows(rows, signature)


def _from_columns(value: Any, signature: Signature) -> dict[str, Array]:
    if not isinstance(value, dict) or is_base64(value):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        ((alias, spec),) = signature.inputs.items()
        return {alias: to_array(value, spec.dtype)}
    arrays: dict[str, Array] = {}
    for alias, spec in signature.inputs.items():
        if alias not in value:
            raise invalid(f"Missing named input: {alias} in 'inputs' object.")
        arrays[alias] = to_array(value[alias], spec.dtype)
    return arrays


def _from_rows(rows: list[Any], signature: Signature) -> dict[str, Array]:
    if not isinstance(rows[0], dict) and len(signature.inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(rows[0])
    for item, row in enumerate(rows if named or dict in set(map(type, rows)) else ()):
        if named and not _is_named(row):
            raise invalid(f"Expecting object but got list at item {item} of input list")
        if not named and _is_named(row):
            raise invalid(f"Expecting value/list but got object at item {item} of input list")
    arrays = _joined(rows, signature, named=named)
    if arrays is None:
        _explain(rows, signature, named=named)
        raise invalid("Failed to process 'instances' list.")
    return arrays


def _joined(rows: list[Any], signature: Signature, *, named: bool) -> dict[str, Array] | None:
    """The rows as arrays; None where one of them does not fit."""
    try:
        if not named:
            alias, spec = next(iter(signature.inputs.items()))
            return {alias: to_array(rows, spec.dtype)}
        if all(row.keys() == signature.inputs.keys() for row in rows):
            return {a: to_array([row[a] for row in rows], spec.dtype) for a, spec in signature.inputs.items()}
    except ServingError:
        pass  # `_explain` says it in the words of a row
    return None


def _fitting(rows: list[Any], signature: Signature, *, named: bool) -> int:
    """How many rows at least fit, from the first on: millions must not be looked at one by one."""
    for start in range(0, len(rows), _AT_ONCE):
        if _joined([rows[0], *rows[start : start + _AT_ONCE]], signature, named=named) is None:
            return start
    return 0


def _explain(rows: list[Any], signature: Signature, *, named: bool) -> None:
    """Find the first row that does not fit, and say so as TensorFlow Serving does, which reads row by row."""
    first: dict[str, tuple[int, tuple[int, ...]]] = {}
    for item in (0, *range(max(1, _fitting(rows, signature, named=named)), len(rows))):
        row = rows[item]
        entries = row.items() if named else [(next(iter(signature.inputs)), row)]
        for alias, value in entries:
            try:
                _explain_value(alias, value, signature, first)
            except ServingError as error:
                key = f" key: {alias}" if named else ""
                raise invalid(f"Failed to process element: {item}{key} of 'instances' list. Error: {error}") from None
        if named and row.keys() != signature.inputs.keys():
            raise invalid(
                f"Failed to process element: {item} of 'instances' list. JSON object: {shown(row)} "
                f"keys must be equal to: {','.join(sorted(signature.inputs))}"
            )


def _explain_value(alias: str, value: Any, signature: Signature, first: dict[str, tuple[int, tuple[int, ...]]]) -> None:
    if alias not in signature.inputs:
        raise invalid(f"JSON object: does not have named input: {alias}")
    shape = dense_shape(value)
    size = check(value, signature.inputs[alias].dtype, shape)
    expected_size, expected_shape = first.setdefault(alias, (size, shape))
    if size != expected_size:
        raise invalid(f"Expecting tensor size: {expected_size} but got: {size}")
    if shape != expected_shape:
        raise invalid(f"Expecting shape {_listed(expected_shape)} but got: {_listed(shape)}")


def _listed(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _is_named(row: Any) -> bool:
    return isinstance(row, dict) and not is_base64(row)
