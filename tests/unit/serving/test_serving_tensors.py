"""The client's tensors: NumPy arrays as protocol messages and JSON, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from smartgrid.serving.json_values import from_json, plain
from smartgrid.serving.messages import messages
from smartgrid.serving.tensors import STRING, UnknownType, as_type, fill_tensor, to_array
from tf_serving.embedded import tensor_proto
from tf_serving.embedded.protos import tensor_pb2

NUMBERS = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
SHAPES = hn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
arrays = st.sampled_from(NUMBERS).flatmap(lambda name: hn.arrays(name, SHAPES))


@given(arrays)
def test_every_array_goes_to_the_server_and_comes_back_as_typed_values(array: np.ndarray) -> None:
    sent = messages().Tensor()
    fill_tensor(sent, array)
    received = tensor_proto.to_array("x", tensor_pb2.TensorProto.FromString(sent.SerializeToString()))
    assert (received.dtype, received.shape, received.tobytes()) == (array.dtype, array.shape, array.tobytes())
    answer = tensor_pb2.TensorProto()
    tensor_proto.fill_proto(answer, received)
    back = to_array(messages().Tensor.FromString(answer.SerializeToString()))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array, equal_nan=array.dtype.kind in "fc")


def test_text_is_sent_as_bytes_and_comes_back_so() -> None:
    tensor = messages().Tensor()
    fill_tensor(tensor, np.array([["ä", "b"]]))
    assert to_array(tensor).tolist() == [["ä".encode(), b"b"]]
    for array in (np.array([1, None], object), np.array(["2026-01-01"], "datetime64[D]")):
        with pytest.raises(UnknownType, match="arrays"):
            fill_tensor(messages().Tensor(), array)


@pytest.mark.parametrize(
    ("given_type", "wanted", "sent"),
    [("float64", 1, "float32"), ("int64", 1, "float32"), ("int32", 9, "int64"), ("float64", 9, "float64")],
)
def test_numbers_take_the_models_type_unless_something_would_be_cut_off(
    given_type: str, wanted: int, sent: str
) -> None:
    assert as_type(np.ones(2, given_type), wanted).dtype == sent


def test_json_keeps_bytes_and_shapes() -> None:
    array = np.array([[b"\xff\x00"], ["text"]], object)
    written = json.loads(json.dumps({"x": array}, default=plain))["x"]
    assert written == [[{"b64": "/wA="}], ["text"]]
    assert from_json(written, STRING).tolist() == [[b"\xff\x00"], [b"text"]]
    assert from_json([[1.5, float("nan")]], 1).dtype == np.float32
    for wrong in ([[1], [1, 2]], {"x": 1}):
        with pytest.raises((ValueError, TypeError)):
            from_json(wrong, 1)
    with pytest.raises(ValueError, match="is no text"):
        from_json([1], STRING)
