"""Configuration messages that tensorflow-serving-api does not carry, read from protobuf text format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_serving.embedded.status import invalid

STRING, BOOL = 9, 8  # FieldDescriptorProto.Type


def read_text_proto(file: Path, flag: str, message_name: str, fields: Mapping[str, int]) -> Any:
    """The message in `file`, with `fields` (name to type, numbered from 1).

    Raises:
        ServingError: it cannot be read.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    proto = descriptor_pb2.FileDescriptorProto(name=f"{message_name}.proto", package="embedded", syntax="proto3")
    declared = proto.message_type.add(name=message_name)
    for number, (name, kind) in enumerate(fields.items(), start=1):
        declared.field.add(
            name=name, number=number, type=kind, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"embedded.{message_name}"))()
    try:
        text_format.Parse(file.read_text(encoding="utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"Cannot use {flag} {file}: {error}") from None
    except text_format.ParseError as error:
        # Without the parser's text, which may quote a private key.
        position = f" line {error.GetLine()}" if error.GetLine() else ""
        raise invalid(f"Invalid protobuf file: '{file}': it is not a {message_name},{position}") from None
    return message
