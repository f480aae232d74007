"""JSON of :predict: exact numbers, and TensorFlow Serving's own texts for what is wrong."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tf_serving.embedded import dtypes, json_writer
from tf_serving.embedded.json_parse import parse_object
from tf_serving.embedded.json_request import PredictBody
from tf_serving.embedded.json_response import predict_answer
from tf_serving.embedded.json_strict import parse_strictly
from tf_serving.embedded.json_values import to_array
from tf_serving.embedded.json_writer import (
    array_in_line,
    array_in_lines,
    array_rows,
)
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
        (b'{"a": "b', "JSON Parse error: Missing a closing quotation mark in string. at offset: 8"),
        (b'{"a": "\n"}', "JSON Parse error: Invalid encoding in string. at offset: 7"),
        (b'{"a": "\\x"}', "JSON Parse error: Invalid escape character in string. at offset: 7"),
        (b'{"a": "\\u12g4"}', "JSON Parse error: Incorrect hex digit after \\u escape in string. at offset: 7"),
        (b'{"a": "\\ud800"}', "JSON Parse error: The surrogate pair in string is invalid. at offset: 7"),
        (b'{"a": [1, 1e400]}', "JSON Parse error: Number too big to be stored in double. at offset: 10"),
        (b'{"a": ' + b"9" * 400 + b"}", "JSON Parse error: Number too big to be stored in double. at offset: 6"),
        (b'{"a": 1.}', "JSON Parse error: Miss fraction part in number. at offset: 8"),
        (b'{"a": 1e}', "JSON Parse error: Miss exponent in number. at offset: 8"),
        (b'{"a": nul}', "JSON Parse error: Invalid value. at offset: 9"),
        (b'{"a": 01}', "JSON Parse error: Missing a comma or } after an object member. at offset: 7"),
        (b'{"\xc3\xa9": tru}', "JSON Parse error: Invalid value. at offset: 10"),
        (b'\xef\xbb\xbf{"a": x}', "JSON Parse error: Invalid value. at offset: 9"),
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
    for found in (by_row, by_column):
        assert found["a"].dtype == np.float64
        assert found["a"].tolist() == [1.0, 2.0]
        assert found["b"].dtype == np.int64
        assert found["b"].tolist() == [3, 4]


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


def test_half_precision_is_refused_as_not_supported() -> None:
    assert refused(b'{"instances": [1.5]}', one(dtypes.DT_HALF)).endswith(
        "UNIMPLEMENTED: Conversion of JSON Value: 1.5 to type: half"
    )


def test_texts_and_base64_become_bytes() -> None:
    body = b'{"instances": ["caf\xc3\xa9", {"b64": "aGk="}, {"b64": " aG k "}, "\xff\\u0000"]}'
    assert PredictBody(body).inputs(one(dtypes.DT_STRING))["x"].tolist() == [b"caf\xc3\xa9", b"hi", b"hi", b"\xff\0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"b64": "a"}', "Unable to base64 decode"),
        ('{"b64": "aGk=="}', "Unable to base64 decode"),
        ('{"b64": "a*"}', "Unable to base64 decode"),
        ('[{"b64": 5}]', 'JSON Value: {"b64": 5} not formatted correctly for base64 data'),
        ('[{"b64": "", "c": ""}]', 'JSON Value: {"b64": "", "c": ""} not formatted correctly for base64 data'),
        ("5", "JSON Value: 5 Type: Number is not of expected type: string"),
    ],
)
def test_what_is_no_text_is_refused(value: str, text: str) -> None:
    assert refused(f'{{"instances": [{value}]}}'.encode(), one(dtypes.DT_STRING)).endswith(text)


def test_the_first_of_two_members_with_one_name_counts() -> None:
    assert row('{"instances": [1], "instances": [2]}').tolist() == [1.0]


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(), st.lists))
def test_the_strict_parser_reads_what_the_fast_one_reads(value: object) -> None:
    for text in (json.dumps({"a": value}), json.dumps({"a": value}, ensure_ascii=False, indent=1)):
        body = text.encode("utf-8", "surrogatepass")
        if not re.search(r"\\ud[89a-f]", text):
            assert repr(parse_strictly(body)) == repr(json.loads(body.decode("utf-8", "surrogateescape")))


_NUMBERS = st.sampled_from(
    ["0", "-0", "-0.0", "1.5", "1E2", "1e-400", "1e400", "9" * 400, "18446744073709551615", "18446744073709551616",
     "-9223372036854775809", "NaN", "-Infinity", "Inf", "01", "1.", ".5", "+1", "true", "null", "1e+005"]
)  # fmt: skip
_TEXTS = st.sampled_from(
    ['""', '"a"', '"b"', '"a:b"', r'"\u0061"', r'"\ud83d\ude00"', r'"\ud800"', '"é"', r'"\""', '"\t"', "'a'"]
)
_SPACES = st.sampled_from(["", " ", "\n", "\x00"])


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(_TEXTS, _SPACES, inner).map(lambda member: "{}{}:{}".format(*member)), max_size=3)
    return st.lists(inner, max_size=3).map(lambda values: f"[{','.join(values)}]") | members.map(
        lambda found: "{" + ",".join(found) + "}"
    )


@settings(max_examples=400)
@given(
    st.lists(st.tuples(_TEXTS, st.recursive(_NUMBERS | _TEXTS, _nested, max_leaves=8)), max_size=4),
    st.sampled_from(["", " ", "\n\x00", "x", "}", ', "a": 1}', "\ufeff"]),
    st.sampled_from(["", " ", "\ufeff"]),
)
def test_quick_and_strict_parsers_agree_on_every_document(
    members: list[tuple[str, str]], after: str, before: str
) -> None:
    body = (before + "{" + ", ".join(f"{name}: {value}" for name, value in members) + "}" + after).encode()
    assert _outcome(parse_object, body) == _outcome(parse_strictly, body)


def _outcome(parse: Callable[[bytes], object], body: bytes) -> str:
    """What a document means to a parser; whole numbers beyond 64 bits are doubles, however Python holds them."""
    try:
        return repr(json.loads(json.dumps(parse(body)), parse_int=_stored))
    except ServingError as error:
        return str(error)


def _stored(digits: str) -> float:
    return int(digits) if -(2**63) <= int(digits) < 2**64 else float(digits)


@given(
    arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint32, np.uint64, np.bool_]),
        array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    )
)
def test_numbers_are_written_alike_quickly_and_slowly(array: np.ndarray) -> None:
    quick = array_in_line("y", array), array_in_lines("y", array, "    "), array_rows("y", array)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_writer, "_numbers", lambda *_: None)
        assert quick == (array_in_line("y", array), array_in_lines("y", array, "    "), array_rows("y", array))


@given(st.binary(max_size=30))
def test_any_bytes_are_parsed_or_refused_with_a_place(body: bytes) -> None:
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: JSON (Parse error: |Value: )"):
        parse_object(body if body[:1] != b"{" else b"!" + body)


def test_infinite_and_missing_numbers_go_both_ways() -> None:
    array = row('{"instances": [NaN, Infinity, -Infinity]}')
    assert math.isnan(array[0])
    assert array[1:].tolist() == [math.inf, -math.inf]
    assert predict_answer({"y": array}, "row") == b'{\n    "predictions": [NaN, Infinity, -Infinity\n    ]\n}'


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
    assert predict_answer({"y": values}, "row") == b'{\n    "predictions": [0.1, 3.0, 1e-07\n    ]\n}'


@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_float32_survives_an_answer_to_the_bit_in_the_fewest_digits(values: list[float]) -> None:
    array = np.array(values, np.float32)
    answer = json.loads(predict_answer({"y": array}, "row"))["predictions"]
    assert np.array(answer, np.float32).tobytes() == np.where(np.isnan(array), np.float32(np.nan), array).tobytes()
    assert [repr(value) for value in answer] == [repr(float(str(value))) for value in array]


def test_texts_are_written_as_text_or_as_base64_by_the_name_of_the_output() -> None:
    texts = np.array([b"a\xff", b'"'], object)
    assert predict_answer({"y": texts}, "row") == b'{\n    "predictions": ["a\xff", "\\""\n    ]\n}'
    assert json.loads(predict_answer({"y_bytes": texts}, "row")) == {"predictions": [{"b64": "Yf8="}, {"b64": "Ig=="}]}


@pytest.mark.parametrize("dtype", ["float16", "complex64", "uint16"])
def test_types_that_json_has_not_are_refused(dtype: str) -> None:
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: "):
        predict_answer({"y": np.zeros(1, dtype)}, "row")


def test_several_outputs_become_objects() -> None:
    outputs = {"v": np.array([1.0, 2.0]), "n": np.array([3, 4])}
    assert json.loads(predict_answer(outputs, "row")) == {"predictions": [{"n": 3, "v": 1.0}, {"n": 4, "v": 2.0}]}
    assert json.loads(predict_answer(outputs, "columnar")) == {"outputs": {"n": [3, 4], "v": [1.0, 2.0]}}


def test_outputs_that_are_no_rows_are_refused_by_row_only() -> None:
    scalar = {"y": np.array(5.0)}
    with pytest.raises(ServingError, match="Tensor name: y has no shape information "):
        predict_answer(scalar, "row")
    assert predict_answer(scalar, "columnar") == b'{\n    "outputs": 5.0\n}'
    with pytest.raises(ServingError, match="Tensor name: v has inconsistent batch size: 2 expecting: 1"):
        predict_answer({"u": np.zeros(1), "v": np.zeros(2)}, "row")


@pytest.mark.parametrize("dtype", [dtypes.DT_FLOAT, dtypes.DT_DOUBLE])
@pytest.mark.parametrize("filler", [1.5, 3])
@pytest.mark.parametrize(
    "number",
    [0, -7, 2.5, True, "a", None, float("nan"), float("inf"), 1e300, -3.5e38, 2**24 + 1, 2**53 + 1, 10**30],
    ids=lambda number: str(number)[:20],
)
def test_a_number_in_a_long_list_is_read_as_in_a_short_one(number: Any, filler: float, dtype: int) -> None:
    def read(values: list[Any]) -> tuple[str, Any]:
        try:
            return "", to_array(values, dtype)[-1]
        except ServingError as error:
            return str(error), None

    short, long = read([filler, number]), read([filler] * 400 + [number])
    assert (short[0] == "") == (long[0] == "")
    np.testing.assert_equal(long[1], short[1])
