"""The body of a :classify or :regress request: JSON objects to tf.Example messages, and the answers' bodies."""

from __future__ import annotations

from typing import Any

from tf_serving.embedded.json_parse import parse_object, shown, signature_name, type_of
from tf_serving.embedded.json_values import check_float32, is_base64, unescape_base64
from tf_serving.embedded.json_writer import float32_text, quoted
from tf_serving.embedded.protos import example_pb2, input_pb2
from tf_serving.embedded.status import invalid

_LISTS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


class ExamplesBody:
    """A parsed request: the signature it names and its examples as an Input message."""

    def __init__(self, body: bytes) -> None:
        """
        Raises:
            ServingError: INVALID_ARGUMENT with TensorFlow Serving's text.
        """
        document = parse_object(body)
        self.signature_name = signature_name(document)
        self.input = input_pb2.Input()
        target = self.input.example_list
        if "context" in document:
            target = self.input.example_list_with_context
            target.context.CopyFrom(_example(document["context"]))
        if "examples" not in document:
            raise invalid(
                f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected and was not found"
            )
        examples = document["examples"]
        if not isinstance(examples, list):
            raise invalid(f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array")
        if not examples:
            raise invalid(f"JSON Value: {shown(document)} 'examples' value is an empty array")
        for example in examples:
            target.examples.append(_example(example))


def classify_answer(result: Any) -> bytes:
    """`{"results": [[[label, score], ..], ..]}`, one list of classes an example."""
    rows = (
        "[" + ", ".join(f"[{quoted(entry.label)}, {float32_text(entry.score)}]" for entry in row.classes) + "]"
        for row in result.classifications
    )
    return ('{\n    "results": [' + ", ".join(rows) + "\n    ]\n}").encode()


def regress_answer(result: Any) -> bytes:
    """`{"results": [value, ..]}`."""
    values = ", ".join(float32_text(regression.value) for regression in result.regressions)
    return ('{\n    "results": [' + values + "]\n}").encode()


def _example(value: Any) -> Any:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_of(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)
    return example


def _add(value: Any, name: str, feature: Any) -> None:
    if isinstance(value, bool):
        _values(feature, "int64_list", name).append(int(value))
    elif isinstance(value, int) and -(2**63) <= value < 2**64:
        values = _values(feature, "int64_list", name)
        if value >= 2**63:
            raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
        values.append(value)
    elif isinstance(value, int | float):
        values = _values(feature, "float_list", name)
        check_float32(float(value))
        values.append(float(value))
    elif isinstance(value, str):
        _values(feature, "bytes_list", name).append(value.encode("utf-8", "surrogateescape"))
    elif is_base64(value):
        values = _values(feature, "bytes_list", name)
        values.append(unescape_base64(value["b64"]))
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_of(value)}")


def _values(feature: Any, wanted: str, name: str) -> Any:
    kind = feature.WhichOneof("kind")
    if kind not in (None, wanted):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {_LISTS[kind]}")
    return getattr(feature, wanted).value
