"""A SavedModel in MLServer. Run by `serving.py` in an environment of its own.

`python serving_mlserver.py SAVED_MODEL FOLDER HTTP_PORT GRPC_PORT COLUMNS FP32|FP64` writes the settings that
`mlserver start FOLDER` reads and FOLDER/<rows>.bin, the bodies of gRPC requests of 1 and 64 rows; MLServer imports
`Model` from this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Model(MLModel):
    """A SavedModel called as most people call one."""

    async def load(self) -> bool:
        import tensorflow as tf

        self._loaded = tf.saved_model.load(self.settings.parameters.uri)
        self._signature = self._loaded.signatures["serving_default"]
        self._constant = tf.constant
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        features = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        (output,) = self._signature(features=self._constant(features)).values()
        outputs = [NumpyCodec.encode_output("output_0", output.numpy())]
        return InferenceResponse(model_name=self.name, outputs=outputs)


def write_settings(saved_model: str, folder: Path, http_port: int, grpc_port: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # No worker processes: with them each request crosses a queue twice, which is slower for a small model.
    settings: dict[str, Any] = {"host": "127.0.0.1", "http_port": http_port, "grpc_port": grpc_port, "debug": False}
    settings |= {"parallel_workers": 0, "metrics_endpoint": None, "use_structured_logging": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "model", "implementation": "serving_mlserver.Model", "parameters": {"uri": saved_model}}
    (folder / "model-settings.json").write_text(json.dumps(model))


def grpc_request(rows: int, columns: int, datatype: str) -> bytes:
    from mlserver.grpc import dataplane_pb2

    request = dataplane_pb2.ModelInferRequest(model_name="model")
    tensor = request.inputs.add(name="features", datatype=datatype, shape=[rows, columns])
    values = tensor.contents.fp32_contents if datatype == "FP32" else tensor.contents.fp64_contents
    values.extend([0.5] * (rows * columns))
    return bytes(request.SerializeToString())


if __name__ == "__main__":
    target = Path(sys.argv[2])
    write_settings(sys.argv[1], target, int(sys.argv[3]), int(sys.argv[4]))
    for size in (1, 64):
        (target / f"{size}.bin").write_bytes(grpc_request(size, int(sys.argv[5]), sys.argv[6]))
