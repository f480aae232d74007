"""Configuration messages in protobuf text format, those too that tensorflow-serving-api does not carry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_serving.embedded.status import Code, ServingError, invalid

STRING, BOOL = 9, 8  # FieldDescriptorProto.Type


def parse_file(file: Path, flag: str, message: Any, *, secret: bool = False) -> None:
    """Fill `message` from the `file` that `flag` names. No error quotes a text of a `secret` one.

    Raises:
        ServingError: NOT_FOUND, there is no such file; UNKNOWN, it cannot be read; INVALID_ARGUMENT, it holds something
            else.
    """
    from google.protobuf import text_format

    try:
        text_format.Parse(file.read_text(encoding="utf-8"), message)
    except OSError as error:
        code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.UNKNOWN
        raise ServingError(code, f"Cannot read {flag}: {file}; {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise invalid(f"Invalid protobuf file: '{file}': {error}") from None
    except text_format.ParseError as error:
        found = f"line {error.GetLine()}" if secret else str(error)
        kind = message.DESCRIPTOR.full_name
        raise invalid(f"Invalid protobuf file: '{file}': Error parsing text-format {kind}: {found}") from None


def read_secret_proto(file: Path, flag: str, message_name: str, fields: Mapping[str, int]) -> Any:
    """The message in `file`, with `fields` (name to type, numbered from 1), of which no error quotes a text.

    Raises:
        ServingError: it cannot be read.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    proto = descriptor_pb2.FileDescriptorProto(name=f"{message_name}.proto", package="embedded", syntax="proto3")
    declared = proto.message_type.add(name=message_name)
    for number, (name, kind) in enumerate(fields.items(), start=1):
        declared.field.add(
            name=name, number=number, type=kind, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"embedded.{message_name}"))()
    parse_file(file, flag, message, secret=True)
    return message
