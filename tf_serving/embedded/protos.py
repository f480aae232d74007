"""Protocol messages of TensorFlow and TensorFlow Serving, without importing TensorFlow itself.

The generated modules live in the package `tensorflow`, whose `__init__` takes seconds and hundreds of MiB that a
server does not need. While they are imported, an empty package with the same path stands in for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def tensorflow_folder() -> Path:
    """Where TensorFlow is installed.

    Raises:
        RuntimeError: it is not.
    """
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("TensorFlow is not installed in this environment; start the server with that of the steps.")
    return Path(next(iter(spec.submodule_search_locations)))


@contextmanager
def _stand_in() -> Iterator[None]:
    if "tensorflow" in sys.modules:
        yield
        return
    package = types.ModuleType("tensorflow")
    package.__path__ = [str(tensorflow_folder())]
    sys.modules["tensorflow"] = package
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with _stand_in():
    config_pb2 = importlib.import_module("tensorflow.core.protobuf.config_pb2")
    meta_graph_pb2 = importlib.import_module("tensorflow.core.protobuf.meta_graph_pb2")
    tensor_pb2 = importlib.import_module("tensorflow.core.framework.tensor_pb2")
    types_pb2 = importlib.import_module("tensorflow.core.framework.types_pb2")
    example_pb2 = importlib.import_module("tensorflow.core.example.example_pb2")
    classification_pb2 = importlib.import_module("tensorflow_serving.apis.classification_pb2")
    regression_pb2 = importlib.import_module("tensorflow_serving.apis.regression_pb2")
    inference_pb2 = importlib.import_module("tensorflow_serving.apis.inference_pb2")
    input_pb2 = importlib.import_module("tensorflow_serving.apis.input_pb2")
    predict_pb2 = importlib.import_module("tensorflow_serving.apis.predict_pb2")
    get_model_metadata_pb2 = importlib.import_module("tensorflow_serving.apis.get_model_metadata_pb2")
    get_model_status_pb2 = importlib.import_module("tensorflow_serving.apis.get_model_status_pb2")
    model_server_config_pb2 = importlib.import_module("tensorflow_serving.config.model_server_config_pb2")
    model_management_pb2 = importlib.import_module("tensorflow_serving.apis.model_management_pb2")
    prediction_log_pb2 = importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
