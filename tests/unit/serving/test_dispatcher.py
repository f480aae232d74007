"""Where requests are worked on: on the loop, in threads, in batches; and what becomes of those that are given up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tf_serving.embedded.batch_scheduler import BatchScheduler
from tf_serving.embedded.batched_model import BatchedModel
from tf_serving.embedded.batching_parameters import BatchingParameters
from tf_serving.embedded.dispatcher import Dispatcher
from tf_serving.embedded.dtypes import DT_FLOAT
from tf_serving.embedded.inline_rule import InlineRule
from tf_serving.embedded.loop_replies import LoopReplies
from tf_serving.embedded.model_run import ModelRun, Steps, run_now
from tf_serving.embedded.signature import Signature, TensorSpec
from tf_serving.embedded.status import Code, ServingError, invalid

SIGNATURE = Signature(inputs={"x": TensorSpec("x:0", DT_FLOAT)}, outputs={"y": TensorSpec("y:0", DT_FLOAT)})


class Doubling:
    """y = 2 x; refuses negative numbers; remembers in which threads and with how many rows it ran."""

    def __init__(self, *, inline: bool = True, seconds: float = 0.0) -> None:
        self.inline = InlineRule(applies=inline)
        self.signatures = {"serving_default": SIGNATURE}
        shape = type("Shape", (), {"unknown_rank": True, "dim": ()})
        proto = type("Proto", (), {"inputs": {"x": type("Info", (), {"tensor_shape": shape})}})
        self.signatures_proto = {"serving_default": proto}
        self.seconds, self.threads, self.rows = seconds, [], []
        self.started, self.may_run = threading.Event(), threading.Event()
        self.may_run.set()

    def run(self, signature: Signature, inputs: object, outputs: tuple[str, ...], timeout_s: float | None) -> object:
        self.started.set()
        assert self.may_run.wait(20)
        time.sleep(self.seconds)
        self.threads.append(threading.current_thread().name)
        self.rows.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise invalid("negative")
        return dict.fromkeys(outputs, inputs["x"] * 2)

    def close(self) -> None: ...


class Request:
    """Steps that run `model` on `values`, and note how they ended."""

    def __init__(self, model: object, *values: float, hint: bool = False) -> None:
        self.model, self.values, self.hint = model, values, hint
        self.ended = ""
        self.finished_in = ""
        self.times: list[float] = []

    def steps(self, deadline: float | None = None) -> Steps[list[float]]:
        try:
            if self.hint:
                yield None
            inputs = {"x": np.array(self.values, np.float32)}
            observe = lambda _, latency_us: self.times.append(latency_us)  # noqa: E731
            outputs = yield ModelRun(self.model, SIGNATURE, inputs, ("y",), deadline, observe)
            self.finished_in = threading.current_thread().name
            self.ended = "well"
            return outputs["y"].tolist()
        except ServingError:
            self.ended = "badly"
            raise
        except GeneratorExit:
            self.ended = "given up"
            raise


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    made = Dispatcher(1, "work")
    yield made
    made.stop()


def batched(model: Doubling, **parameters: object) -> BatchedModel:
    return BatchedModel(model, BatchScheduler(BatchingParameters(**{"num_batch_threads": 1, **parameters})))


def test_small_requests_to_fast_models_run_on_the_loop_and_others_in_threads(dispatcher: Dispatcher) -> None:
    fast, slow = Doubling(), Doubling(inline=False)

    async def ask() -> None:
        assert await dispatcher.run(Request(fast, 1).steps(), None, small=True) == [2]
        assert await dispatcher.run(Request(fast, 2).steps(), None, small=False) == [4]
        assert await dispatcher.run(Request(fast, 3, hint=True).steps(), None, small=True) == [6]
        assert await dispatcher.run(Request(slow, 4).steps(), None, small=True) == [8]

    asyncio.run(ask())
    assert fast.threads[0] == "MainThread"
    assert all(name.startswith("work") for name in [*fast.threads[1:], *slow.threads])


def test_a_model_that_is_slow_leaves_the_loop(dispatcher: Dispatcher) -> None:
    model = Doubling(seconds=0.05)

    async def ask() -> None:
        for _ in range(5):
            await dispatcher.run(Request(model, 1).steps(), None, small=True)

    asyncio.run(ask())
    assert model.threads[:3] == ["MainThread"] * 3
    assert all(name.startswith("work") for name in model.threads[3:])


def test_large_answers_are_put_together_in_a_thread(dispatcher: Dispatcher) -> None:
    request = Request(Doubling(), *range(20_000))
    assert len(asyncio.run(dispatcher.run(request.steps(), None, small=True))) == 20_000
    assert request.finished_in.startswith("work")


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("small", [True, False])
def test_errors_of_the_run_reach_the_request(dispatcher: Dispatcher, inline: bool, small: bool) -> None:
    for model in (Doubling(inline=inline), batched(Doubling(inline=inline))):
        request = Request(model, -1)
        with pytest.raises(ServingError, match="negative"):
            asyncio.run(dispatcher_run(dispatcher, request, small))
        assert request.ended == "badly"


async def dispatcher_run(dispatcher: Dispatcher, request: Request, small: bool) -> list[float]:
    dispatcher._replies = None  # of a loop that has ended
    return await dispatcher.run(request.steps(), None, small=small)


def test_a_request_that_is_over_time_is_answered_and_what_had_not_begun_never_does(dispatcher: Dispatcher) -> None:
    model = Doubling(inline=False)
    model.may_run.clear()
    first, second = Request(model, 1), Request(model, 2)

    async def ask() -> None:
        deadline = time.monotonic() + 2
        asked = [
            asyncio.create_task(dispatcher.run(request.steps(deadline), deadline, small=True))
            for request in (first, second)
        ]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(model.started.wait, 1.5)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(answer, ServingError)
            assert answer.code is Code.DEADLINE_EXCEEDED

    asyncio.run(ask())
    assert (first.ended, second.ended) == ("", "given up")
    model.may_run.set()
    deadline = time.monotonic() + 20
    while first.ended != "well":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert model.rows == [1]


@pytest.mark.parametrize("join", [False, True])
def test_a_client_that_goes_away_lets_go_of_everything(dispatcher: Dispatcher, join: bool) -> None:
    inner = Doubling(inline=False)
    inner.may_run.clear()
    model = batched(inner) if join else inner
    first, second = Request(model, 1), Request(model, 2)

    async def ask() -> None:
        asked = [asyncio.create_task(dispatcher.run(request.steps(), None, small=True)) for request in (first, second)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(inner.started.wait, 20)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(ask())
    assert second.ended == "given up"
    inner.may_run.set()
    if join:
        assert first.ended == "given up"
        model.close()  # waits for the run, whose answer nobody takes


def test_many_requests_wait_for_one_batch_without_a_thread_each(dispatcher: Dispatcher) -> None:
    inner = Doubling()
    model = batched(inner, max_batch_size=64)
    inner.may_run.clear()
    requests = [Request(model, number, number + 0.5) for number in range(30)]
    before = threading.active_count()

    async def ask() -> list[list[float]]:
        asked = [asyncio.create_task(dispatcher.run(request.steps(), None, small=True)) for request in requests]
        await asyncio.sleep(0.1)
        assert threading.active_count() <= before
        inner.may_run.set()
        return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    assert answers == [[2.0 * number, 2.0 * number + 1] for number in range(30)]
    assert sum(inner.rows) == 60
    assert len(inner.rows) <= 2
    assert all(len(request.times) == 1 for request in requests)


def test_a_request_cut_into_several_batches_gets_one_answer(dispatcher: Dispatcher) -> None:
    inner = Doubling()
    model = batched(
        inner, max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=4, num_batch_threads=2
    )

    async def ask() -> None:
        assert await dispatcher.run(Request(model, *range(10)).steps(), None, small=True) == [
            2.0 * number for number in range(10)
        ]
        with pytest.raises(ServingError, match="negative"):
            await dispatcher.run(Request(model, *range(9), -1).steps(), None, small=True)

    asyncio.run(ask())
    assert max(inner.rows) == 4


def test_a_full_queue_refuses_at_once(dispatcher: Dispatcher) -> None:
    inner = Doubling()
    model = batched(inner, max_batch_size=1, max_enqueued_batches=1)
    inner.may_run.clear()

    async def ask() -> None:
        asked = [asyncio.create_task(dispatcher.run(Request(model, n).steps(), None, small=True)) for n in range(6)]
        await asyncio.sleep(0.1)
        inner.may_run.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, ServingError)]
        assert refused
        assert all(answer.code is Code.UNAVAILABLE for answer in refused)
        assert [answer for answer in answers if isinstance(answer, list)]

    asyncio.run(ask())


def test_results_that_come_together_wake_the_loop_once() -> None:
    woken: list[Callable[[], None]] = []

    class Loop:
        def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
            woken.append(callback)

    async def settle() -> None:
        replies = LoopReplies(Loop())
        futures = [asyncio.get_running_loop().create_future() for _ in range(10)]
        futures[3].cancel()
        for number, future in enumerate(futures[:9]):
            replies.put(future, number)
        replies.put(futures[9], None, invalid("no"))
        assert len(woken) == 1
        woken[0]()
        assert [future.result() for future in futures[:9] if not future.cancelled()] == [0, 1, 2, 4, 5, 6, 7, 8]
        assert isinstance(futures[9].exception(), ServingError)
        replies.put(futures[0], 5)
        assert len(woken) == 2

    asyncio.run(settle())


def test_steps_run_in_one_thread_too() -> None:
    assert run_now(Request(Doubling(), 4, hint=True).steps()) == [8]
    with pytest.raises(ServingError, match="Deadline"):
        run_now(Request(Doubling(), 4).steps(time.monotonic() - 1))
