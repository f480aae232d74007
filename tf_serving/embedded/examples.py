"""The input of Classify, Regress and MultiInference: tf.Example messages as one string tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.status import invalid


def example_tensor(message: Any) -> Array:
    """The serialized examples of an Input, shape (n,).

    A context is shared by all examples: two serialized messages one after the other parse as one merged message.

    Raises:
        ServingError: INVALID_ARGUMENT without any example.
    """
    kind = message.WhichOneof("kind")
    examples = getattr(message, kind).examples if kind else ()
    if not examples:
        raise invalid("Input is empty.")
    context = b""
    if kind == "example_list_with_context":
        context = message.example_list_with_context.context.SerializeToString()
    array = np.empty(len(examples), np.object_)
    array[:] = [context + example.SerializeToString() for example in examples]
    return array
