"""Warm-up requests: the model server replays them before it reports a version as available, so that the first real
request does not pay for lazy initialisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_warmup_requests(path: Path, model_name: str, rows: npt.NDArray[np.float64]) -> None:
    """One Predict request with `rows` (n, k), as TensorFlow Serving's PredictionLog in a TFRecord file."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = "serving_default"
    request.inputs["features"].CopyFrom(tf.make_tensor_proto(rows, dtype=tf.float64))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())
