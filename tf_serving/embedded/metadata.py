"""The signatures of a model as GetModelMetadata and `GET .../metadata` show them."""

from __future__ import annotations

from typing import Any

from tf_serving.embedded.protos import get_model_metadata_pb2
from tf_serving.embedded.runner import SavedModelRunner


def signature_map(model: SavedModelRunner) -> Any:
    """A SignatureDefMap."""
    message = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signatures_proto.items():
        message.signature_def[name].CopyFrom(signature)
    return message


def metadata_json(name: str, version: int, model: SavedModelRunner) -> dict[str, Any]:
    """The REST form, with the protocol's field names and defaults printed."""
    from google.protobuf import json_format

    signatures = json_format.MessageToDict(
        signature_map(model), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": signatures},
    }
