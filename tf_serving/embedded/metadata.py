"""The signatures of a model as GetModelMetadata and `GET .../metadata` show them."""

from __future__ import annotations

import json
from typing import Any

from tf_serving.embedded.protos import get_model_metadata_pb2
from tf_serving.embedded.runner import SavedModelRunner


def signature_map(model: SavedModelRunner) -> Any:
    """A SignatureDefMap."""
    message = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signatures_proto.items():
        message.signature_def[name].CopyFrom(signature)
    return message


def metadata_json(name: str, version: int, model: SavedModelRunner) -> str:
    """The REST form, with the protocol's field names and defaults printed: two documents joined by hand, as TensorFlow
    Serving joins them."""
    from google.protobuf import json_format

    signatures = json_format.MessageToDict(
        signature_map(model), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    spec = shown_as_json({"name": name, "signature_name": "", "version": str(version)})
    return f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {shown_as_json(signatures)}}}\n}}\n'


def shown_as_json(document: dict[str, Any]) -> str:
    """Laid out as protobuf prints its messages."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
