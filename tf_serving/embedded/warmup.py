"""Warm-up: requests kept beside a model are replayed before the version serves, so that no client pays for first runs.

They go the way of real requests; one that fails makes the load fail.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from google.protobuf.message import DecodeError

from tf_serving.embedded.inference import Task, infer, multi_infer
from tf_serving.embedded.method_names import CLASSIFY_METHOD, REGRESS_METHOD
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_manager import ModelManager
from tf_serving.embedded.model_run import run_now
from tf_serving.embedded.predict import Target, predict, unknown_signature_grpc
from tf_serving.embedded.protos import classification_pb2, inference_pb2, prediction_log_pb2, regression_pb2
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.servable import Servable
from tf_serving.embedded.status import Code, ServingError, invalid
from tf_serving.embedded.tensor_proto import to_array
from tf_serving.embedded.tfrecord import read_records

log = logging.getLogger(__name__)

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MOST_RECORDS = 1000

Load = Callable[[Path], SavedModelRunner]


def warmed_up(load: Load, metrics: Metrics, *, iterations: int = 1) -> Load:
    """`load`, followed by `iterations` replays of each recorded request."""

    def load_and_warm_up(folder: Path) -> SavedModelRunner:
        model = load(folder)
        try:
            _warm_up(model, folder, metrics, iterations)
        except BaseException:
            model.close()
            raise
        return model

    return load_and_warm_up


def _warm_up(model: SavedModelRunner, folder: Path, metrics: Metrics, iterations: int) -> None:
    file = folder / WARMUP_FILE
    if not file.is_file():
        return
    started = time.perf_counter()
    status = "OK"
    try:
        count = _replay(model, file, iterations)
    except ServingError as error:
        status = str(error)
        if error.code is Code.DATA_LOSS:
            text = f"{error.message}. Please verify your warmup data is in TFRecord format."
            raise ServingError(Code.DATA_LOSS, text) from None
        raise
    except OSError as error:
        status = str(error)
        raise ServingError(Code.UNKNOWN, f"Cannot read warmup data at {file}: {error}") from None
    finally:
        metrics.observe_warmup(str(folder), status, (time.perf_counter() - started) * 1e6)
    log.info("%s: %d warm-up requests replayed in %.3f s", folder, count, time.perf_counter() - started)


def _replay(model: SavedModelRunner, file: Path, iterations: int) -> int:
    only = cast("ModelManager", _OnlyModel(model))
    count = 0
    for record in read_records(file):
        try:
            request = prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError as error:
            raise invalid(f"Failed to parse warmup record: {error} from {file}") from None
        for _ in range(iterations):
            _run(only, request)
        count += 1
        if count > MOST_RECORDS:
            raise invalid(f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {file}")
    return count


class _OnlyModel:
    """Leases a model that nobody else can reach yet, whatever name and version a recorded request gives."""

    def __init__(self, model: SavedModelRunner) -> None:
        self._servable = Servable("", 0, model)

    @contextmanager
    def lease(self, *_: object) -> Iterator[Servable[SavedModelRunner]]:
        yield self._servable

    def request_log(self, _: str) -> None:
        """Nothing is logged of a replay."""


def _run(manager: ModelManager, entry: Any) -> None:
    kind = entry.WhichOneof("log_type")
    if kind == "predict_log":
        request = entry.predict_log.request
        run_now(
            predict(
                manager,
                _target(request.model_spec),
                lambda _: {alias: to_array(alias, proto) for alias, proto in request.inputs.items()},
                output_filter=request.output_filter,
                unknown_signature=unknown_signature_grpc,
            )
        )
    elif kind == "classify_log":
        request, result = entry.classify_log.request, classification_pb2.ClassificationResult()
        run_now(infer(manager, _target(request.model_spec), CLASSIFY_METHOD, request.input, result, None))
    elif kind == "regress_log":
        request, result = entry.regress_log.request, regression_pb2.RegressionResult()
        run_now(infer(manager, _target(request.model_spec), REGRESS_METHOD, request.input, result, None))
    elif kind == "multi_inference_log":
        request, response = entry.multi_inference_log.request, inference_pb2.MultiInferenceResponse()
        tasks = [Task(_target(task.model_spec), task.method_name) for task in request.tasks]
        run_now(multi_infer(manager, tasks, request.input, lambda *_: response.results.add(), None))
    else:
        number = entry.DESCRIPTOR.fields_by_name[kind].number if kind else 0
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")


def _target(spec: Any) -> Target:
    return Target(spec.name, signature_name=spec.signature_name)
