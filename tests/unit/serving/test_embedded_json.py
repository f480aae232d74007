"""JSON of :predict: exact numbers, and TensorFlow Serving's own texts for what is wrong."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_serving.embedded import dtypes
from tf_serving.embedded.json_request import PredictBody
from tf_serving.embedded.json_response import predict_answer
from tf_serving.embedded.signature import Signature, TensorSpec
from tf_serving.embedded.status import Code, ServingError


def one(dtype: int = dtypes.DT_DOUBLE) -> Signature:
    return Signature({"x": TensorSpec("x:0", dtype)}, {"y": TensorSpec("y:0", dtype)})


TWO = Signature({"a": TensorSpec("a:0", dtypes.DT_DOUBLE), "b": TensorSpec("b:0", dtypes.DT_INT64)}, {})


def refused(body: bytes, signature: Signature | None = None) -> str:
    with pytest.raises(ServingError) as caught:
        PredictBody(body).inputs(signature or one())
    assert caught.value.code in (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED)
    return caught.value.message


def row(body: str, dtype: int = dtypes.DT_DOUBLE) -> np.ndarray:
    return PredictBody(body.encode()).inputs(one(dtype))["x"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b" \n", "JSON Parse error: The document is empty. at offset: 2"),
        (b"x", "JSON Parse error: Invalid value. at offset: 0"),
        (b'{"instances": [1,]}', "JSON Parse error: Invalid value. at offset: 17"),
        (b"{1: 2}", "JSON Parse error: Missing a name for object member. at offset: 1"),
        (b'{"a" 1}', "JSON Parse error: Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": 1 "b": 2}', "JSON Parse error: Missing a comma or } after an object member. at offset: 8"),
        (b'{"a": [1 2]}', "JSON Parse error: Missing a comma or ] after an array element. at offset: 9"),
        (b'{"a": ["]", {"}": 1}', "JSON Parse error: Missing a comma or ] after an array element. at offset: 20"),
        (b'{"a": "b', "JSON Parse error: Missing a closing quotation mark in string. at offset: 6"),
        (b'{"\xff": 1}', "JSON Parse error: Invalid encoding in string. at offset: 2"),
        (b"[" * 200_000, "JSON Parse error: Nested too deeply"),
        (b"[1, 2]", "JSON Value: [1, 2] Is not object"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        (
            b'{"instances": [1], "inputs": [1]}',
            (
                'JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly expecting only one of '
                "'inputs' or 'instances' keys to exist "
            ),
        ),
        (b'{"instances": 1}', "JSON Value: {\"instances\": 1} Expecting 'instances' to be an list/array"),
        (b'{"instances": []}', "JSON Value: {\"instances\": []} No values in 'instances' array"),
        (
            b'{"signature_name": 5}',
            "JSON Value: {\"signature_name\": 5} not formatted correctly. 'signature_name' key must be a string value.",
        ),
        (
            b'{"instances": [1, "x"]}',
            (
                "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
                'JSON Value: "x" Type: String is not of expected type: double'
            ),
        ),
        (
            b'{"instances": [null]}',
            (
                "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
                "JSON Value: null Type: Null is not of expected type: double"
            ),
        ),
        (
            b'{"instances": [1.5, true]}',
            (
                "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
                "JSON Value: true Type: True is not of expected type: double"
            ),
        ),
        (
            b'{"instances": [[1, 2], [1]]}',
            (
                "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
                "Expecting tensor size: 2 but got: 1"
            ),
        ),
        (
            b'{"instances": [[1, 2], [[1], [2]]]}',
            (
                "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
                "Expecting shape [2] but got: [2,1]"
            ),
        ),
        (b'{"inputs": [[1, 2], [1]]}', "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        (
            b'{"inputs": [[1, 2], 3]}',
            "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (b'{"inputs": {"z": 1}}', "Missing named input: x in 'inputs' object."),
        (
            b'{"instances": [{"x": 1}, 2]}',
            "Expecting object but got list at item 1 of input list",
        ),
        (
            b'{"instances": [1, {"x": 1}]}',
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            b'{"instances": [{"z": 1}]}',
            (
                "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
                "JSON object: does not have named input: z"
            ),
        ),
        (
            b'{"instances": [9007199254740993]}',
            (
                "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
                "Cannot convert JSON value: 9007199254740993 to double without loss of precision."
            ),
        ),
    ],
)
def test_what_is_wrong_is_said_as_tensorflow_serving_says_it(body: bytes, text: str) -> None:
    assert refused(body) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            b'{"instances": [[1, 2]]}',
            (
                "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
                "tensorinfo_map"
            ),
        ),
        (
            b'{"inputs": [1]}',
            (
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            ),
        ),
        (
            b'{"instances": [{"a": 1}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: {\"a\": 1} keys must be equal to: a,b",
        ),
        (
            b'{"instances": [{"a": 1, "b": 1.5}]}',
            (
                "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: "
                "JSON Value: 1.5 Type: Number is not of expected type: int64"
            ),
        ),
    ],
)
def test_requests_with_several_inputs_are_checked(body: bytes, text: str) -> None:
    assert refused(body, TWO) == text


def test_named_rows_and_columns_give_the_same_arrays() -> None:
    by_row = PredictBody(b'{"instances": [{"a": 1, "b": 3}, {"b": 4, "a": 2}]}').inputs(TWO)
    by_column = PredictBody(b'{"inputs": {"a": [1, 2], "b": [3, 4], "ignored": 0}}').inputs(TWO)
    for arrays in (by_row, by_column):
        assert arrays["a"].dtype == np.float64
        assert arrays["a"].tolist() == [1.0, 2.0]
        assert arrays["b"].dtype == np.int64
        assert arrays["b"].tolist() == [3, 4]


def test_text_after_the_document_is_ignored() -> None:
    assert row('{"instances": [1]} and more').tolist() == [1.0]


def test_columnar_value_may_be_a_scalar() -> None:
    assert PredictBody(b'{"inputs": 2.5}').inputs(one())["x"].shape == ()


def test_integers_keep_all_64_bits_and_their_limits() -> None:
    assert row(f'{{"instances": [{2**63 - 1}, {-(2**63)}]}}', dtypes.DT_INT64).tolist() == [2**63 - 1, -(2**63)]
    assert row(f'{{"instances": [{2**64 - 1}]}}', dtypes.DT_UINT64).tolist() == [2**64 - 1]
    assert "is not of expected type: int32" in refused(f'{{"instances": [{2**31}]}}'.encode(), one(dtypes.DT_INT32))
    assert "is not of expected type: int64" in refused(f'{{"instances": [{2**63}]}}'.encode(), one(dtypes.DT_INT64))
    assert row('{"instances": [true, false]}', dtypes.DT_BOOL).tolist() == [True, False]


def test_strings_are_refused_as_not_supported() -> None:
    assert refused(b'{"instances": ["x"]}', one(dtypes.DT_STRING)).endswith(
        'UNIMPLEMENTED: Conversion of JSON Value: "x" to type: string'
    )


def test_infinite_and_missing_numbers_go_both_ways() -> None:
    array = row('{"instances": [NaN, Infinity, -Infinity]}')
    assert math.isnan(array[0])
    assert array[1:].tolist() == [math.inf, -math.inf]
    assert predict_answer({"y": array}, "row") == b'{"predictions": [NaN, Infinity, -Infinity]}'


@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_float64_survives_request_and_answer_to_the_bit(values: list[float]) -> None:
    array = row(json.dumps({"instances": values}))
    answer = json.loads(predict_answer({"y": array}, "row"))["predictions"]
    for sent, received in zip(values, answer, strict=True):
        assert math.isnan(sent) == math.isnan(received)
        if not math.isnan(sent):
            assert struct.pack("<d", sent) == struct.pack("<d", received)


def test_float32_is_written_with_its_own_shortest_digits() -> None:
    values = np.array([0.1, 3.0, 1e-7], np.float32)
    assert predict_answer({"y": values}, "row") == b'{"predictions": [0.1, 3.0, 1e-07]}'


def test_several_outputs_become_objects() -> None:
    outputs = {"v": np.array([1.0, 2.0]), "n": np.array([3, 4])}
    assert json.loads(predict_answer(outputs, "row")) == {"predictions": [{"n": 3, "v": 1.0}, {"n": 4, "v": 2.0}]}
    assert json.loads(predict_answer(outputs, "columnar")) == {"outputs": {"n": [3, 4], "v": [1.0, 2.0]}}


def test_outputs_that_are_no_rows_are_refused_by_row_only() -> None:
    scalar = {"y": np.array(5.0)}
    with pytest.raises(ServingError, match="Tensor name: y has no shape information "):
        predict_answer(scalar, "row")
    assert predict_answer(scalar, "columnar") == b'{"outputs": 5.0}'
    with pytest.raises(ServingError, match="Tensor name: v has inconsistent batch size: 2 expecting: 1"):
        predict_answer({"u": np.zeros(1), "v": np.zeros(2)}, "row")
