"""NumPy arrays as the JSON of TensorFlow Serving's REST protocol and back."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from smartgrid.serving.tensors import STRING, numpy_type

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


def plain(value: Any) -> Any:
    """What `json` cannot write itself, for its `default`: arrays and NumPy's numbers as lists and numbers, bytes as
    base64.

    Raises:
        TypeError: it is neither.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def from_json(value: Any, type_number: int) -> Array:
    """The array of nested lists, in TensorFlow's type; strings as an object array of bytes.

    Raises:
        ValueError: the value is no such array.
    """
    import numpy as np

    if type_number != STRING:
        return np.array(value, numpy_type(type_number))
    texts = np.array(value, object)
    flat = np.empty(texts.size, object)
    flat[:] = [_bytes(text) for text in texts.ravel().tolist()]
    return flat.reshape(texts.shape)


def _bytes(text: Any) -> bytes:
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(text["b64"], validate=True)
    except (TypeError, KeyError, binascii.Error):
        raise ValueError(f"{text!r} is no text") from None
