"""Counters and latencies with TensorFlow Serving's names, in Prometheus' text format."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Literal

from tf_serving.embedded.status import Code, ServingError

Entrypoint = Literal["REST", "GRPC"]

_PREFIX = ":tensorflow:serving:"
_BOUNDS_US = [10 * 1.8**step for step in range(33)]
# The API is written differently by the two faces of TensorFlow Serving.
_API = {"REST": "predict", "GRPC": "Predict"}


class Metrics:
    """What this process has answered. Safe to use from all request threads.

    Only the configured models are counted: names that a stranger makes up would grow the table without end.
    """

    def __init__(self, model_names: Collection[str]) -> None:
        self._model_names = frozenset(model_names)
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = {}
        self._latencies: dict[tuple[str, str], tuple[list[int], float]] = {}

    @contextmanager
    def request(self, model_name: str, entrypoint: Entrypoint) -> Iterator[None]:
        """Count the request that the block answers; its time counts when it succeeds."""
        started = time.perf_counter()
        try:
            yield
        except ServingError as error:
            self._count(model_name, error.code)
            raise
        self._count(model_name, Code.OK)
        self._observe(model_name, entrypoint, (time.perf_counter() - started) * 1e6)

    def _count(self, model_name: str, code: Code) -> None:
        if model_name not in self._model_names:
            return
        key = (model_name, code.name)
        with self._lock:
            self._requests[key] = self._requests.get(key, 0) + 1

    def _observe(self, model_name: str, entrypoint: str, latency_us: float) -> None:
        key = (model_name, entrypoint)
        with self._lock:
            buckets, total = self._latencies.get(key, ([0] * (len(_BOUNDS_US) + 1), 0.0))
            buckets[bisect_left(_BOUNDS_US, latency_us)] += 1
            self._latencies[key] = (buckets, total + latency_us)

    def text(self) -> str:
        """All series."""
        with self._lock:
            requests = dict(self._requests)
            latencies = {key: (list(buckets), total) for key, (buckets, total) in self._latencies.items()}
        lines = [f"# TYPE {_PREFIX}request_count counter"]
        for (model_name, status), count in sorted(requests.items()):
            lines.append(f'{_PREFIX}request_count{{model_name="{_escaped(model_name)}",status="{status}"}} {count}')
        lines.append(f"# TYPE {_PREFIX}request_latency histogram")
        for (model_name, entrypoint), (buckets, total) in sorted(latencies.items()):
            labels = f'model_name="{_escaped(model_name)}",API="{_API[entrypoint]}",entrypoint="{entrypoint}"'
            lines += _histogram(f"{_PREFIX}request_latency", labels, buckets, total)
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: str, buckets: list[int], total: float) -> list[str]:
    lines = []
    below = 0
    for bound, count in zip([*(f"{bound:g}" for bound in _BOUNDS_US), "+Inf"], buckets, strict=True):
        below += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {below}')
    return [*lines, f"{name}_sum{{{labels}}} {total:.6f}", f"{name}_count{{{labels}}} {below}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
