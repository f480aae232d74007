"""grpc-python's stubs of the model server's services: the server itself does without grpc-python."""

from __future__ import annotations

import importlib

# Loads the messages that the stubs use without importing TensorFlow itself, which takes seconds.
import tf_serving.embedded.protos  # noqa: F401

prediction_service_pb2_grpc = importlib.import_module("tensorflow_serving.apis.prediction_service_pb2_grpc")
model_service_pb2_grpc = importlib.import_module("tensorflow_serving.apis.model_service_pb2_grpc")
