"""Where the work of requests is done: on the event loop, in threads, or in batches."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from tf_serving.embedded.batched_model import BatchedModel
from tf_serving.embedded.loop_replies import LoopReplies
from tf_serving.embedded.model_run import Finished, ModelRun, Outputs, Steps, begin, fail, finish, run_and_finish
from tf_serving.embedded.status import Code, ServingError

T = TypeVar("T")

_SMALL_OUTPUTS = 64 * 1024  # bytes; answers from more than this are put together in a thread


class Dispatcher:
    """Drives the steps of one face's requests, `threads` of them at once where threads are needed.

    All methods are called on one event loop.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._replies: LoopReplies | None = None

    async def run(self, steps: Steps[T], deadline: float | None, *, small: bool) -> T:
        """The result of `steps`. `small`: its body is, so that reading it does not hold up the loop.

        Raises:
            ServingError: the request's own; DEADLINE_EXCEEDED when `deadline` (time.monotonic) passes meanwhile.
        """
        begun = self.start(steps, deadline, small=small)
        return begun.result if isinstance(begun, Finished) else await begun

    def start(self, steps: Steps[T], deadline: float | None, *, small: bool) -> Finished[T] | Awaitable[T]:
        """As `run`; what needs no waiting is done when this returns."""
        began = time.perf_counter()
        if not small:
            return self._whole_in_thread(steps, deadline)
        try:
            run = next(steps)
        except StopIteration as stop:
            return Finished(stop.value)
        if run is None:
            return self._whole_in_thread(steps, deadline)
        if isinstance(run.model, BatchedModel):
            return self._batched(steps, run, deadline)
        inline = run.model.inline
        if not inline.applies:
            return self.in_thread(functools.partial(run_and_finish, steps, run), deadline, steps)
        try:
            outputs = run.execute()
        except ServingError as error:
            return Finished(fail(steps, error))
        finally:
            inline.took(time.perf_counter() - began)
        if _are_small(outputs):
            return Finished(finish(steps, outputs))
        return self.in_thread(functools.partial(finish, steps, outputs), deadline, steps)

    async def _whole_in_thread(self, steps: Steps[T], deadline: float | None) -> T:
        begun = await self.in_thread(functools.partial(_begin, steps), deadline, steps)
        return begun.result if isinstance(begun, Finished) else await self._batched(steps, begun, deadline)

    async def in_thread(self, work: Callable[[], T], deadline: float | None, steps: Steps[Any] | None = None) -> T:
        """The result of `work`, done in a thread; `steps` are closed if it never begins.

        Raises:
            ServingError: as `run`.
        """
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = self._executor.submit(work)
        job.add_done_callback(functools.partial(_settle, self._to_loop(), reply))
        try:
            return await _until(reply, deadline)
        finally:
            # Nobody waits any more. What has not begun never does; what has begun ends in its thread.
            if job.cancel() and steps is not None:
                steps.close()

    async def _batched(self, steps: Steps[T], run: ModelRun, deadline: float | None) -> T:
        model, replies = run.model, self._to_loop()
        assert isinstance(model, BatchedModel)
        reply: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        try:
            queued = model.submit(
                run.signature, run.inputs, run.outputs, run.deadline, functools.partial(replies.put, reply)
            )
        except ServingError as error:
            return fail(steps, error)
        if not queued:
            return await self.in_thread(functools.partial(run_and_finish, steps, run), deadline, steps)
        try:
            outputs = await _until(reply, deadline)
        except ServingError as error:
            return fail(steps, error)
        except BaseException:
            steps.close()
            raise
        run.took(time.perf_counter() - began)
        if _are_small(outputs):
            return finish(steps, outputs)
        return await self.in_thread(functools.partial(finish, steps, outputs), deadline, steps)

    def _to_loop(self) -> LoopReplies:
        if self._replies is None:
            self._replies = LoopReplies(asyncio.get_running_loop())
        return self._replies

    def stop(self) -> None:
        """Begin nothing more; call it when no more requests come."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _begin(steps: Steps[T]) -> ModelRun | Finished[T]:
    """In a thread: up to the run where it joins a batch, otherwise everything."""
    begun = begin(steps)
    if isinstance(begun, Finished) or isinstance(begun.model, BatchedModel):
        return begun
    return Finished(run_and_finish(steps, begun))


def _are_small(outputs: Outputs) -> bool:
    size = 0
    for array in outputs.values():
        size += array.nbytes
    return size <= _SMALL_OUTPUTS


def _settle(replies: LoopReplies, reply: asyncio.Future[Any], job: Future[Any]) -> None:
    if not job.cancelled():
        error = job.exception()
        replies.put(reply, job.result() if error is None else None, error)


async def _until(reply: asyncio.Future[T], deadline: float | None) -> T:
    if deadline is None:
        return await reply
    timer = asyncio.get_running_loop().call_later(max(0.0, deadline - time.monotonic()), _expire, reply)
    try:
        return await reply
    finally:
        timer.cancel()


def _expire(reply: asyncio.Future[Any]) -> None:
    if not reply.done():
        reply.set_exception(ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification"))
