"""Counters and latencies with TensorFlow Serving's names, in Prometheus' text format."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from functools import partial
from typing import Literal, TypeVar

from tf_serving.embedded.status import Code, ServingError

Entrypoint = Literal["REST", "GRPC"]
Key = TypeVar("Key", str, tuple[str, str], tuple[str, str, str])

_PREFIX = ":tensorflow:serving:"
_BOUNDS_US = [10 * 1.8**step for step in range(33)]
_QUEUING_BOUNDS_US = [100 * 1.2**step for step in range(52)]
_EXAMPLE_BOUNDS = [float(2**step) for step in range(15)]
_EXAMPLE_APIS = frozenset({"Classify", "Regress", "MultiInference"})
_RUNTIME = "TF1"  # TensorFlow Serving's name of the session that runs models

ObserveRun = Callable[[Mapping[str, Sized], float], None]  # the inputs, and the microseconds the run took
Distribution = tuple[list[int], float]  # counts by bucket, and the sum of all values


class Metrics:
    """What this process has answered. Safe to use from all request threads.

    Only the configured models are counted: names that a stranger makes up would grow the table without end.
    """

    def __init__(self, model_names: Collection[str] = ()) -> None:
        names = frozenset(model_names)
        self._model_names: Callable[[], Collection[str]] = lambda: names
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = {}
        self._latencies: dict[tuple[str, str, str], Distribution] = {}
        self._runtimes: dict[tuple[str, str], Distribution] = {}
        self._examples: dict[str, Distribution] = {}
        self._warmups: dict[tuple[str, str], Distribution] = {}
        self._queuing: dict[str, Distribution] = {}

    def count_only(self, model_names: Callable[[], Collection[str]]) -> None:
        """Ask `model_names` which models are configured, for they change."""
        self._model_names = model_names

    def request(self, model_name: str, entrypoint: Entrypoint, api: str = "Predict") -> MeasuredRequest:
        """Count the request that the `with` block answers; its time counts when it succeeds.

        Gives what notes the request's model run.
        """
        return MeasuredRequest(self, model_name, entrypoint, api)

    def observe_run(self, key: tuple[str, str], inputs: Mapping[str, Sized], latency_us: float) -> None:
        """A model ran for a request, `key` its model and API; warm-up runs belong to none."""
        model_name, api = key
        with self._lock:
            _add(self._runtimes, key, latency_us)
            if api in _EXAMPLE_APIS and "inputs" in inputs:
                _add(self._examples, model_name, len(inputs["inputs"]), _EXAMPLE_BOUNDS)

    def observe_warmup(self, model_path: str, status: str, latency_us: float) -> None:
        """A version was warmed up, or failed to be."""
        with self._lock:
            _add(self._warmups, (model_path, status), latency_us)

    def observe_queuing(self, thread_pool_name: str, latencies_us: Sequence[float]) -> None:
        """Requests were queued for so long before a batch took them."""
        with self._lock:
            for latency_us in latencies_us:
                _add(self._queuing, thread_pool_name, latency_us, _QUEUING_BOUNDS_US)

    def count(self, model_name: str, code: Code, latency: tuple[tuple[str, str, str], float] | None = None) -> None:
        """A request ended; `latency` is that of one that succeeded: model, API and entrypoint, and microseconds."""
        counted = model_name in self._model_names()
        with self._lock:
            if counted:
                key = (model_name, code.name)
                self._requests[key] = self._requests.get(key, 0) + 1
            if latency is not None:
                _add(self._latencies, *latency)

    def text(self) -> str:
        """All series."""
        with self._lock:
            requests = dict(self._requests)
            latencies, runtimes = _copy(self._latencies), _copy(self._runtimes)
            examples, warmups, queuing = _copy(self._examples), _copy(self._warmups), _copy(self._queuing)
        counts = [({"model_name": name, "status": status}, count) for (name, status), count in sorted(requests.items())]
        totals = [({"model": name}, int(total)) for name, (_, total) in sorted(examples.items())]
        lines = [
            *_counter("request_count", counts),
            *_histograms("request_latency", ("model_name", "API", "entrypoint"), latencies),
            *_histograms("runtime_latency", ("model_name", "API", "runtime"),
                         {(*key, _RUNTIME): found for key, found in runtimes.items()}),
            *_histograms("request_example_counts", ("model",), examples, _EXAMPLE_BOUNDS),
            *_counter("request_example_count_total", totals),
            *_histograms("model_warmup_latency", ("model_path", "status"), warmups),
            *_histograms("batching_session:queuing_latency", ("thread_pool_name",), queuing, _QUEUING_BOUNDS_US),
        ]  # fmt: skip
        return "\n".join(lines) + "\n"


class MeasuredRequest:
    """A request between its begin and its end. No generator: it is on the path of every request."""

    __slots__ = ("_api", "_entrypoint", "_metrics", "_model_name", "_started")

    def __init__(self, metrics: Metrics, model_name: str, entrypoint: Entrypoint, api: str) -> None:
        self._metrics, self._model_name, self._entrypoint, self._api = metrics, model_name, entrypoint, api
        self._started = 0.0

    def __enter__(self) -> ObserveRun:
        self._started = time.perf_counter()
        return partial(self._metrics.observe_run, (self._model_name, self._api))

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            # The two faces of TensorFlow Serving write the API differently.
            name = self._api.lower() if self._entrypoint == "REST" else self._api
            took_us = (time.perf_counter() - self._started) * 1e6
            self._metrics.count(self._model_name, Code.OK, ((self._model_name, name, self._entrypoint), took_us))
        elif isinstance(error, ServingError):
            self._metrics.count(self._model_name, error.code)


def _add(table: dict[Key, Distribution], key: Key, value: float, bounds: Sequence[float] = _BOUNDS_US) -> None:
    buckets, total = table.get(key) or ([0] * (len(bounds) + 1), 0.0)
    buckets[bisect_left(bounds, value)] += 1
    table[key] = (buckets, total + value)


def _copy(table: Mapping[Key, Distribution]) -> dict[Key, Distribution]:
    return {key: (list(buckets), total) for key, (buckets, total) in table.items()}


def _counter(name: str, values: Sequence[tuple[Mapping[str, str], int]]) -> list[str]:
    return [
        f"# TYPE {_PREFIX}{name} counter",
        *(f"{_PREFIX}{name}{{{_labels(labels)}}} {value}" for labels, value in values),
    ]


def _histograms(
    name: str,
    label_names: Sequence[str],
    found: Mapping[Key, Distribution],
    bounds: Sequence[float] = _BOUNDS_US,
) -> list[str]:
    name = f"{_PREFIX}{name}"
    lines = [f"# TYPE {name} histogram"]
    for key, (buckets, total) in sorted(found.items()):
        values = (key,) if isinstance(key, str) else key
        labels = _labels(dict(zip(label_names, values, strict=True)))
        below = 0
        for bound, count in zip([*(f"{bound:g}" for bound in bounds), "+Inf"], buckets, strict=True):
            below += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {below}')
        lines += [f"{name}_sum{{{labels}}} {total:.6f}", f"{name}_count{{{labels}}} {below}"]
    return lines


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
