"""What a signature takes and gives, as the server's metadata say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartgrid.serving.errors import UnexpectedAnswer


@dataclass(frozen=True, slots=True)
class SignatureInfo:
    """TensorFlow's type numbers of the inputs and outputs, by name."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


def only_input(signature: SignatureInfo, address: str) -> str:
    """The name of the one input.

    Raises:
        UnexpectedAnswer: there are more, or none.
    """
    if len(signature.inputs) != 1:
        raise UnexpectedAnswer(address, f"inputs {sorted(signature.inputs)}, expected one: use predict_named")
    return next(iter(signature.inputs))


def from_metadata(signature_def: Mapping[str, Any]) -> SignatureInfo:
    """A signature of the REST metadata, where types have names.

    Raises:
        KeyError, TypeError: the metadata are none.
    """
    return SignatureInfo(
        *(
            {name: _NUMBERS.get(entry["dtype"], 0) for name, entry in signature_def[side].items()}
            for side in ("inputs", "outputs")
        )
    )


_NUMBERS = {
    "DT_FLOAT": 1,
    "DT_DOUBLE": 2,
    "DT_INT32": 3,
    "DT_UINT8": 4,
    "DT_INT16": 5,
    "DT_INT8": 6,
    "DT_STRING": 7,
    "DT_INT64": 9,
    "DT_BOOL": 10,
    "DT_UINT32": 22,
    "DT_UINT64": 23,
}  # those that REST can carry
