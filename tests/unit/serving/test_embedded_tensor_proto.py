"""TensorProto and NumPy: both encodings, every type, and messages that contradict themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tf_serving.embedded import dtypes
from tf_serving.embedded.protos import tensor_pb2
from tf_serving.embedded.status import ServingError
from tf_serving.embedded.tensor_proto import fill_proto, to_array


@pytest.mark.parametrize("as_content", [True, False])
@pytest.mark.parametrize("dtype", dtypes.NUMPY_TYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)], ids=str)
def test_every_type_survives_both_encodings(dtype: np.dtype, shape: tuple[int, ...], as_content: bool) -> None:
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    array = numbers.astype("S9").astype(object) if dtype.hasobject else numbers.astype(dtype)
    proto = tensor_pb2.TensorProto()
    fill_proto(proto, array, as_content=as_content)
    back = to_array("x", tensor_pb2.TensorProto.FromString(proto.SerializeToString()))
    assert back.dtype == dtype
    assert back.shape == shape
    assert np.array_equal(back, array)


def test_float64_bits_survive() -> None:
    array = np.array([np.nan, -0.0, 5e-324, np.inf, 0.1 + 0.2])
    proto = tensor_pb2.TensorProto()
    fill_proto(proto, array)
    assert to_array("x", proto).tobytes() == array.tobytes()


def test_one_typed_value_fills_a_larger_shape() -> None:
    proto = tensor_pb2.TensorProto(dtype=dtypes.DT_DOUBLE, double_val=[1.0, 2.0])
    proto.tensor_shape.dim.add(size=4)
    assert to_array("x", proto).tolist() == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("sizes", "fields"),
    [
        ([3], {"tensor_content": b"\0" * 8}),
        ([-1], {"double_val": [1.0]}),
        ([2**20, 2**20], {"double_val": [1.0]}),
    ],
)
def test_contradicting_message_is_refused(sizes: list[int], fields: dict[str, object]) -> None:
    proto = tensor_pb2.TensorProto(dtype=dtypes.DT_DOUBLE, **fields)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        to_array("x", proto)


@pytest.mark.parametrize(
    ("dtype", "size", "fields", "expected"),
    [
        (dtypes.DT_DOUBLE, 1, {"double_val": [1.0, 2.0]}, [1.0]),
        (dtypes.DT_DOUBLE, 2, {}, [0.0, 0.0]),
        (dtypes.DT_DOUBLE, 0, {"tensor_content": b"abc"}, []),
        (dtypes.DT_FLOAT, 1, {"double_val": [3.0]}, [0.0]),
        (dtypes.DT_STRING, 3, {"string_val": [b"a", b"b"]}, [b"a", b"b", b"b"]),
        (dtypes.DT_STRING, 2, {}, [b"", b""]),
        (dtypes.DT_STRING, 2, {"tensor_content": b"\x01\x02abc"}, [b"a", b"bc"]),
        (dtypes.DT_COMPLEX64, 2, {"scomplex_val": [1.0, 2.0, 3.0]}, [1 + 2j, 1 + 2j]),
        (dtypes.DT_INT8, 1, {"int_val": [300]}, [44]),
        (dtypes.DT_BOOL, 2, {"bool_val": [True]}, [True, True]),
    ],
)
def test_incomplete_and_surplus_values_are_read_as_tensorflow_reads_them(
    dtype: int, size: int, fields: dict[str, object], expected: list[object]
) -> None:
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    proto.tensor_shape.dim.add(size=size)
    assert to_array("x", proto).tolist() == expected


@pytest.mark.parametrize("content", [b"\x01", b"\x01\x01a", b"\x01\x01abc", b"\x80\x80"])
def test_strings_with_wrong_lengths_are_refused(content: bytes) -> None:
    proto = tensor_pb2.TensorProto(dtype=dtypes.DT_STRING, tensor_content=content)
    proto.tensor_shape.dim.add(size=2)
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        to_array("x", proto)
