"""The few protocol messages that the gRPC client needs, with the field numbers of TensorFlow Serving's .proto files.

The generated modules of tensorflow-serving-api import all of TensorFlow: seconds and hundreds of MiB for a client.
These live in a descriptor pool of their own, so both can be in one process.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "tensorflow.serving"

# message -> (field, number, type, repeated). A type starting with a dot is another message.
_MESSAGES: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "Int64Value": (("value", 1, "int64", False),),
    "Dim": (("size", 1, "int64", False),),
    "TensorShape": (("dim", 2, ".Dim", True), ("unknown_rank", 3, "bool", False)),
    "Tensor": (
        ("dtype", 1, "int32", False),
        ("tensor_shape", 2, ".TensorShape", False),
        ("tensor_content", 4, "bytes", False),
        ("float_val", 5, "float", True),
        ("double_val", 6, "double", True),
        ("int_val", 7, "int32", True),
        ("string_val", 8, "bytes", True),
        ("scomplex_val", 9, "float", True),
        ("int64_val", 10, "int64", True),
        ("bool_val", 11, "bool", True),
        ("dcomplex_val", 12, "double", True),
        ("half_val", 13, "int32", True),
        ("uint32_val", 16, "uint32", True),
        ("uint64_val", 17, "uint64", True),
    ),
    "ModelSpec": (
        ("name", 1, "string", False),
        ("version", 2, ".Int64Value", False),
        ("signature_name", 3, "string", False),
        ("version_label", 4, "string", False),
    ),
    # A map field is a repeated entry with key 1 and value 2.
    "TensorEntry": (("key", 1, "string", False), ("value", 2, ".Tensor", False)),
    "PredictRequest": (("model_spec", 1, ".ModelSpec", False), ("inputs", 2, ".TensorEntry", True)),
    "PredictResponse": (("outputs", 1, ".TensorEntry", True), ("model_spec", 2, ".ModelSpec", False)),
    "GetModelMetadataRequest": (("model_spec", 1, ".ModelSpec", False), ("metadata_field", 2, "string", True)),
    "GetModelMetadataResponse": (("metadata", 2, ".AnyEntry", True),),
    "AnyEntry": (("key", 1, "string", False), ("value", 2, ".Any", False)),
    "Any": (("type_url", 1, "string", False), ("value", 2, "bytes", False)),
    "SignatureDefMap": (("signature_def", 1, ".SignatureEntry", True),),
    "SignatureEntry": (("key", 1, "string", False), ("value", 2, ".SignatureDef", False)),
    "SignatureDef": (("inputs", 1, ".TensorInfoEntry", True), ("outputs", 2, ".TensorInfoEntry", True)),
    "TensorInfoEntry": (("key", 1, "string", False), ("value", 2, ".TensorInfo", False)),
    "TensorInfo": (("name", 1, "string", False), ("dtype", 2, "int32", False)),
    "StatusProto": (("error_code", 1, "int32", False), ("error_message", 2, "string", False)),
    "GetModelStatusRequest": (("model_spec", 1, ".ModelSpec", False),),
    "ModelVersionStatus": (
        ("version", 1, "int64", False),
        ("state", 2, "int32", False),
        ("status", 3, ".StatusProto", False),
    ),
    "GetModelStatusResponse": (("model_version_status", 1, ".ModelVersionStatus", True),),
}


@lru_cache(maxsize=1)
def messages() -> SimpleNamespace:
    """The message classes by name."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="smartgrid/serving.proto", package=_PACKAGE, syntax="proto3")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            field = message.field.add(name=name, number=number, label=label)
            if kind.startswith("."):
                field.type, field.type_name = field_type.TYPE_MESSAGE, f".{_PACKAGE}{kind}"
            else:
                field.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }
    return SimpleNamespace(**found)
