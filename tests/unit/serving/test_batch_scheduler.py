"""Requests are joined, run once and split again; one that is wrong fails alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tf_serving.embedded.batch_scheduler import BatchScheduler
from tf_serving.embedded.batched_loading import batch_scheduler
from tf_serving.embedded.batched_model import BatchedModel
from tf_serving.embedded.batching_parameters import BatchingParameters, read_batching_parameters
from tf_serving.embedded.dtypes import DT_FLOAT
from tf_serving.embedded.signature import Signature, TensorSpec
from tf_serving.embedded.status import Code, ServingError, invalid

Arrays = Mapping[str, np.ndarray]
EXAMPLE = Path(__file__).parents[3] / "tf_serving" / "batching.config"


class Doubling:
    """A model y = 2 x that can be held up, refuses negative numbers, and remembers the shapes that it was given."""

    def __init__(self, width: int = -1) -> None:
        spec = Signature(inputs={"x": TensorSpec("x:0", DT_FLOAT)}, outputs={"y": TensorSpec("y:0", DT_FLOAT)})
        self.signatures = {"serving_default": spec}
        dims = [SimpleNamespace(size=size) for size in (-1, width)]
        shape = SimpleNamespace(unknown_rank=False, dim=dims)
        self.signatures_proto = {"serving_default": SimpleNamespace(inputs={"x": SimpleNamespace(tensor_shape=shape)})}
        self.shapes: list[tuple[int, ...]] = []
        self.closed = False
        self.may_run = threading.Event()
        self.may_run.set()
        self.running = threading.Event()

    def run(self, signature: Signature, inputs: Arrays, outputs: tuple[str, ...], timeout_s: float | None) -> Arrays:
        self.running.set()
        assert self.may_run.wait(20)
        self.shapes.append(inputs["x"].shape)
        if (inputs["x"] < 0).any():
            raise invalid("negative")
        return dict.fromkeys(outputs, inputs["x"] * 2)

    def close(self) -> None:
        self.closed = True


class Setup:
    """One batched model and threads that ask it."""

    def __init__(self, width: int = -1, **parameters: object) -> None:
        self.scheduler = BatchScheduler(BatchingParameters(**{"num_batch_threads": 1, **parameters}))
        self.model = Doubling(width)
        self.batched = BatchedModel(self.model, self.scheduler)
        self.pool = ThreadPoolExecutor(32)

    def ask(self, values: object, timeout_s: float | None = 20.0) -> np.ndarray:
        (signature,) = self.model.signatures.values()
        return self.batched.run(signature, {"x": np.asarray(values, np.float32)}, ("y",), timeout_s)["y"]

    def ask_together(self, *requests: object, timeout_s: float | None = 20.0) -> list[np.ndarray | ServingError]:
        """One request takes the lane, the others queue up in order behind it; their answers or errors."""
        self.model.may_run.clear()
        self.model.running.clear()
        first = self.pool.submit(self.ask, [[0.0]])
        assert self.model.running.wait(20)
        waiting = []
        for number, request in enumerate(requests, start=1):
            waiting.append(self.pool.submit(self.ask, request, timeout_s))
            self.wait_for(lambda number=number: self.waiting_tasks() >= number or waiting[-1].done())
        self.model.may_run.set()
        first.result(20)
        return [future.exception(20) or future.result() for future in waiting]

    def waiting_tasks(self) -> int:
        return sum(len(batch.tasks) for queue in self.scheduler._queues for batch in queue.batches)

    @staticmethod
    def wait_for(condition) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_what_queued_up_runs_at_once_and_each_request_gets_its_own_rows() -> None:
    setup = Setup()
    answers = setup.ask_together([[1.0]], [[2.0], [3.0]], [[4.0]])
    assert setup.model.shapes[1:] == [(4, 1)]
    assert [answer.tolist() for answer in answers] == [[[2.0]], [[4.0], [6.0]], [[8.0]]]


def test_a_free_lane_runs_a_lonely_request_without_waiting() -> None:
    setup = Setup(batch_timeout_micros=0)
    began = time.monotonic()
    assert setup.ask([[5.0]]).tolist() == [[10.0]]
    assert time.monotonic() - began < 1.0


def test_an_open_batch_waits_for_the_timeout_and_a_full_one_does_not() -> None:
    setup = Setup(batch_timeout_micros=300_000, max_batch_size=2)
    began = time.monotonic()
    setup.ask([[1.0]])
    assert 0.29 < time.monotonic() - began < 5
    began = time.monotonic()
    setup.ask([[1.0], [2.0]])
    assert time.monotonic() - began < 0.25


def test_batch_is_never_larger_than_allowed() -> None:
    setup = Setup(max_batch_size=3)
    setup.ask_together([[1.0], [1.0]], [[2.0], [2.0]], [[3.0]])
    assert setup.model.shapes[1:] == [(2, 1), (3, 1)]


def test_batch_is_filled_up_to_an_allowed_size_with_a_valid_row() -> None:
    setup = Setup(max_batch_size=8, allowed_batch_sizes=(4, 8))
    answers = setup.ask_together([[1.0]], [[2.0]], [[3.0]], [[4.0], [5.0]])
    assert setup.model.shapes[1:] == [(8, 1)]
    assert [answer.tolist() for answer in answers] == [[[2.0]], [[4.0]], [[6.0]], [[8.0], [10.0]]]


def test_request_larger_than_a_batch_is_refused() -> None:
    setup = Setup(max_batch_size=3)
    with pytest.raises(ServingError, match="Task size 4 is larger than maximum input batch size 3") as caught:
        setup.ask(np.ones((4, 1)))
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_large_request_is_split_and_joined_again() -> None:
    setup = Setup(max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=4)
    answer = setup.ask(np.arange(9).reshape(9, 1))
    assert answer.tolist() == [[2.0 * number] for number in range(9)]
    assert max(shape[0] for shape in setup.model.shapes) <= 4
    with pytest.raises(ServingError, match="Task size 11 is larger than maximum input batch size 10"):
        setup.ask(np.ones((11, 1)))


def test_full_queue_answers_unavailable() -> None:
    setup = Setup(max_batch_size=1, max_enqueued_batches=2)
    answers = setup.ask_together([[1.0]], [[2.0]], [[3.0]])
    assert [answer.tolist() for answer in answers[:2]] == [[[2.0]], [[4.0]]]
    refused = answers[2]
    assert isinstance(refused, ServingError)
    assert refused.code is Code.UNAVAILABLE
    assert refused.message == (
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2"
    )


def test_unequal_inner_shapes_fail_unless_they_are_padded() -> None:
    setup = Setup()
    for answer in setup.ask_together([[1.0, 2.0]], [[1.0, 2.0, 3.0]]):
        assert isinstance(answer, ServingError)
        assert answer.code is Code.FAILED_PRECONDITION
        assert "Set pad_variable_length_inputs to true" in answer.message
    padding = Setup(pad_variable_length_inputs=True)
    answers = padding.ask_together([[1.0, 2.0]], [[3.0, 4.0, 5.0]])
    assert [answer.tolist() for answer in answers] == [[[2.0, 4.0, 2.0]], [[6.0, 8.0, 10.0]]]


def test_request_that_contradicts_the_signature_never_joins_others() -> None:
    setup = Setup(width=1, batch_timeout_micros=30_000_000)  # whatever joins a batch waits half a minute
    assert setup.ask([[1.0, 2.0]]).tolist() == [[2.0, 4.0]]  # ran alone: TensorFlow itself has the last word
    assert setup.model.shapes == [(1, 2)]


def test_request_whose_values_fail_does_not_fail_its_neighbours() -> None:
    setup = Setup()
    answers = setup.ask_together([[1.0]], [[-1.0]], [[3.0]])
    assert answers[0].tolist() == [[2.0]]
    assert isinstance(answers[1], ServingError)
    assert answers[1].message == "negative"
    assert answers[2].tolist() == [[6.0]]


def test_scalar_is_refused() -> None:
    setup = Setup()
    with pytest.raises(ServingError, match="must have at least one dimension"):
        setup.ask(1.0)


def test_deadline_ends_the_wait() -> None:
    setup = Setup()
    setup.model.may_run.clear()
    with pytest.raises(ServingError) as caught:
        setup.ask([[1.0]], timeout_s=0.05)
    setup.model.may_run.set()
    assert caught.value.code is Code.DEADLINE_EXCEEDED


def test_closing_waits_for_the_batch_under_way() -> None:
    setup = Setup()
    setup.model.may_run.clear()
    asked = setup.pool.submit(setup.ask, [[1.0]])
    assert setup.model.running.wait(20)
    closing = setup.pool.submit(setup.batched.close)
    time.sleep(0.05)
    assert not setup.model.closed
    setup.model.may_run.set()
    closing.result(20)
    assert setup.model.closed
    assert asked.result(20).tolist() == [[2.0]]
    assert setup.scheduler._queues == []


def test_two_queues_share_the_lanes_and_the_older_batch_goes_first() -> None:
    scheduler = BatchScheduler(BatchingParameters(num_batch_threads=2))
    models = [Doubling(), Doubling()]
    batched = [BatchedModel(model, scheduler) for model in models]
    with ThreadPoolExecutor(16) as pool:
        inputs = [{"x": np.full((1, 1), number, np.float32)} for number in range(40)]
        asked = [
            pool.submit(batched[n % 2].run, models[n % 2].signatures["serving_default"], inputs[n], ("y",), 20.0)
            for n in range(40)
        ]
        assert [future.result(20)["y"].item() for future in asked] == [2.0 * number for number in range(40)]
    scheduler.stop()


def test_parameters_are_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size { value: 16 } batch_timeout_micros { value: 5000 } max_enqueued_batches { value: 7 }\n"
        "num_batch_threads { value: 3 } thread_pool_name { value: 'p' } allowed_batch_sizes: 2\n"
        "allowed_batch_sizes: 4 pad_variable_length_inputs: true\n"
        "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 4 }\n"
    )
    assert read_batching_parameters(file) == BatchingParameters(16, 5000, 7, 3, (2, 4), True, True, 4, "p")
    assert read_batching_parameters(EXAMPLE).max_batch_size > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "match max_batch_size; last entry was 4; expected 8"),
        ("allowed_batch_sizes: 4 allowed_batch_sizes: 2", "must be monotonically increasing"),
        ("max_batch_size { value: 0 }", "max_batch_size must be positive; was 0"),
        ("max_batch_size: 8", "Invalid protobuf file"),
        ("no_such_field: 8", "Invalid protobuf file"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "batching.config"
    file.write_text(text)
    with pytest.raises(ServingError, match=message):
        read_batching_parameters(file)


def test_parameters_file_needs_the_flag(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="set without setting server_options"):
        batch_scheduler(enabled=False, parameters_file=str(tmp_path / "any"))
    assert batch_scheduler(enabled=False, parameters_file="") is None
