"""The answer to a reload tells by how much counters grew meanwhile."""

from __future__ import annotations

import threading
from typing import Any

from tf_serving.embedded.grpc_app import Call
from tf_serving.embedded.metric_increases import counter_values
from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.model_service import ModelService
from tf_serving.embedded.protos import model_management_pb2

COUNT = "/tensorflow/serving/request_count"


class Manager:
    """A reload during which `requests` of model "a" are answered."""

    def __init__(self, metrics: Metrics, requests: int) -> None:
        self.metrics, self.requests = metrics, requests

    def model_names(self) -> list[str]:
        return ["a"]

    def reload(self, _configs: object, still_wanted: object) -> None:
        for _ in range(self.requests):
            with self.metrics.request("a", "GRPC"):
                pass


def reload(metrics: Metrics, requests: int, *names: str) -> dict[str, int]:
    manager: Any = Manager(metrics, requests)
    request = model_management_pb2.ReloadConfigRequest(metric_names=names)
    request.config.model_config_list.SetInParent()
    response = ModelService(manager, metrics, threading.Event()).handle_reload_config(request, Call())
    return {metric.name: metric.int64_value_increase for metric in response.metric}


def test_a_counter_is_told_by_its_growth_not_by_its_value() -> None:
    metrics = Metrics(["a"])
    assert reload(metrics, 3, COUNT) == {COUNT: 3}
    assert reload(metrics, 2, COUNT) == {COUNT: 2}


def test_what_is_no_counter_has_not_grown() -> None:
    metrics = Metrics(["a"])
    names = "/tensorflow/serving/request_latency", "/tensorflow/nothing"
    assert reload(metrics, 3, *names) == dict.fromkeys(names, 0)


def test_who_asks_for_no_metric_gets_none() -> None:
    assert reload(Metrics(["a"]), 3) == {}


def test_a_counter_without_series_is_0() -> None:
    head = "# TYPE :tensorflow:serving:request_count counter\n"
    assert counter_values(head + "# TYPE other counter\nother{} 5\n", [COUNT]) == {COUNT: 0}
    assert counter_values(head, [COUNT]) == {COUNT: 0}
