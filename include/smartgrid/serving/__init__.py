"""Client of TensorFlow Serving (REST and gRPC) and the folder of versions that it serves. See docs/serving.md."""

from smartgrid.serving.client import ServingClient, connect
from smartgrid.serving.predict import predict_with_tf_serving

__all__ = ["ServingClient", "connect", "predict_with_tf_serving"]
