"""What is logged of a request: a PredictionLog, the message that warm-up files are made of as well."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.protos import prediction_log_pb2
from tf_serving.embedded.request_log_settings import RequestLogSettings
from tf_serving.embedded.request_log_writer import RequestLogWriter
from tf_serving.embedded.tensor_proto import fill_proto

WRITER = RequestLogWriter()  # one thread a process, whatever the number of models
_CERTAIN = 1.0

Spec = tuple[str, int, str]  # model, the version that answered, signature


def log_predict(
    settings: RequestLogSettings,
    spec: Spec,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    output_filter: Sequence[str],
) -> None:
    """Log a request that was answered, by whichever face it came, if it is drawn."""

    def fill(entry: Any) -> None:
        request, response = entry.predict_log.request, entry.predict_log.response
        for alias, array in inputs.items():
            fill_proto(request.inputs[alias], array)
        request.output_filter.extend(output_filter)
        for alias, array in outputs.items():
            fill_proto(response.outputs[alias], array)
        _fill_spec(request.model_spec, spec)
        _fill_spec(response.model_spec, spec)

    _log(settings, spec, fill)


def log_inference(settings: RequestLogSettings, spec: Spec, kind: str, message: Any, result: Any) -> None:
    """The same for Classify and Regress; `kind` is classify_log or regress_log."""

    def fill(entry: Any) -> None:
        pair = getattr(entry, kind)
        pair.request.input.CopyFrom(message)
        pair.response.result.CopyFrom(result)
        _fill_spec(pair.request.model_spec, spec)
        _fill_spec(pair.response.model_spec, spec)

    _log(settings, spec, fill)


def log_multi_inference(
    settings: RequestLogSettings, spec: Spec, tasks: Sequence[tuple[Spec, str]], message: Any, results: Sequence[Any]
) -> None:
    """The same for MultiInference; `tasks` are what was asked for and the methods' names."""

    def fill(entry: Any) -> None:
        request, response = entry.multi_inference_log.request, entry.multi_inference_log.response
        request.input.CopyFrom(message)
        for task_spec, method_name in tasks:
            task = request.tasks.add(method_name=method_name)
            _fill_spec(task.model_spec, task_spec)
        for result in results:
            response.results.add().CopyFrom(result)

    _log(settings, spec, fill)


def _log(settings: RequestLogSettings, spec: Spec, fill: Callable[[Any], None]) -> None:
    if settings.sampling_rate < _CERTAIN and random.random() >= settings.sampling_rate:  # noqa: S311
        return
    seconds = int(time.time())

    def build() -> bytes:
        entry = prediction_log_pb2.PredictionLog()
        metadata = entry.log_metadata
        _fill_spec(metadata.model_spec, spec)
        metadata.sampling_config.sampling_rate = settings.sampling_rate
        metadata.timestamp_secs = seconds
        fill(entry)
        serialized: bytes = entry.SerializeToString()
        return serialized

    WRITER.put(settings.filename_prefix, build)


def _fill_spec(message: Any, spec: Spec) -> None:
    message.name, message.version.value, message.signature_name = spec
