"""A loaded model whose requests are joined: same face as the model it wraps."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_serving.embedded.batch_scheduler import BatchScheduler, Queue, Reply, Task
from tf_serving.embedded.dtypes import NUMPY_TYPES, Array
from tf_serving.embedded.joined_replies import JoinedReplies, joined
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.signature import Signature
from tf_serving.embedded.status import Code, ServingError, invalid

_Shapes = Mapping[str, tuple[int, ...] | None]


class BatchedModel(SavedModelRunner):
    """Runs go through `scheduler`, one queue a signature.

    What a signature says of shapes and types is checked before a request may join others, so that one wrong request
    cannot fail its neighbours; it runs alone and gets TensorFlow's own text. So do runs for some outputs only.
    """

    def __init__(self, model: SavedModelRunner, scheduler: BatchScheduler) -> None:
        # No super().__init__(): the model is loaded already, and everything but `run` and `close` is its.
        self._model, self._scheduler = model, scheduler
        self._queues: dict[int, tuple[Queue, _Shapes, Signature]] = {}
        for name, signature in model.signatures.items():
            shapes = {alias: _dims(info.tensor_shape) for alias, info in model.signatures_proto[name].inputs.items()}
            queue = scheduler.add_queue(self._processor(signature))
            self._queues[id(signature)] = (queue, shapes, signature)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...],
        timeout_s: float | None = None,
    ) -> dict[str, Array]:
        """Like the model's, together with other requests; the thread waits."""
        queued = self._queue(signature, inputs, outputs)
        if queued is None:
            return self._model.run(signature, inputs, outputs, timeout_s)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        parts = [task.wait() for task in self._enqueue(*queued, inputs, deadline, None)]
        done = joined(parts)
        return {alias: done[alias] for alias in outputs}

    def submit(
        self,
        signature: Signature,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...],
        deadline: float | None,
        reply: Reply,
    ) -> bool:
        """Like `run` without waiting: `reply` gets the outputs in another thread. False: it has to run alone.

        Raises:
            ServingError: it is too large, or the queue is full.
        """
        queued = self._queue(signature, inputs, outputs)
        if queued is None:
            return False
        self._enqueue(*queued, inputs, deadline, reply)
        return True

    def _queue(
        self, signature: Signature, inputs: Mapping[str, Array], outputs: tuple[str, ...]
    ) -> tuple[Queue, int] | None:
        """The queue that the run may join, and its rows."""
        found = self._queues.get(id(signature))
        if found is None or set(outputs) != signature.outputs.keys():
            return None
        queue, shapes, _ = found
        rows = _rows(inputs)
        return (queue, rows) if rows and _conforms(signature, shapes, inputs) else None

    def _enqueue(
        self, queue: Queue, rows: int, inputs: Mapping[str, Array], deadline: float | None, reply: Reply | None
    ) -> list[Task]:
        if not self._scheduler.parameters.enable_large_batch_splitting:
            task = Task(inputs, rows, deadline, reply)
            self._scheduler.submit(queue, task)
            return [task]
        replies = None if reply is None else JoinedReplies(rows, reply)

        def part(start: int, stop: int) -> Task:
            cut = {alias: array[start:stop] for alias, array in inputs.items()}
            part_reply = None if replies is None else functools.partial(replies.part, start, stop - start)
            return Task(cut, stop - start, deadline, part_reply)

        return self._scheduler.submit_split(queue, rows, part)

    def close(self) -> None:
        """Wait for the batches under way and close the model."""
        for queue, _, _ in self._queues.values():
            self._scheduler.remove_queue(queue)
        self._queues = {}
        self._model.close()

    # --- in a lane

    def _processor(self, signature: Signature) -> Callable[[Sequence[Task]], None]:
        return lambda tasks: self._process(signature, tasks)

    def _process(self, signature: Signature, tasks: Sequence[Task]) -> None:
        now = time.monotonic()
        waiting = []
        for task in tasks:
            if task.deadline is not None and task.deadline <= now:
                text = "Run() timeout exceeded while waiting in batching queue"
                task.finish(None, ServingError(Code.RESOURCE_EXHAUSTED, text))
            else:
                waiting.append(task)
        if not waiting:
            return
        deadlines = [task.deadline for task in waiting]
        timeout_s = None if None in deadlines else max(at for at in deadlines if at is not None) - now
        try:
            results = self._run_joined(signature, waiting, timeout_s)
        except ServingError as error:
            if len(waiting) > 1 and error.code is Code.INVALID_ARGUMENT:
                # One of them is at fault: alone, each gets what it deserves.
                for task in waiting:
                    self._run_alone(signature, task)
                return
            for task in waiting:
                task.finish(None, error)
            return
        for task, outputs in zip(waiting, results, strict=True):
            task.finish(outputs)

    def _run_alone(self, signature: Signature, task: Task) -> None:
        timeout_s = None if task.deadline is None else max(0.001, task.deadline - time.monotonic())
        try:
            (outputs,) = self._run_joined(signature, [task], timeout_s)
        except ServingError as error:
            task.finish(None, error)
        else:
            task.finish(outputs)

    def _run_joined(
        self, signature: Signature, tasks: Sequence[Task], timeout_s: float | None
    ) -> list[Mapping[str, Array]]:
        parameters = self._scheduler.parameters
        rows = sum(task.rows for task in tasks)
        total = parameters.allowed_size(rows)
        merged = {
            alias: _merge(
                signature.inputs[alias].feed_name,
                [task.inputs[alias] for task in tasks],
                total - rows,
                pad=parameters.pad_variable_length_inputs,
            )
            for alias in tasks[0].inputs
        }
        outputs = self._model.run(signature, merged, tuple(signature.outputs), timeout_s)
        for array in outputs.values():
            if array.ndim == 0:
                raise ServingError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
            if len(array) != total:
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors",
                )
        if len(tasks) == 1 and total == rows:
            return [outputs]
        results: list[Mapping[str, Array]] = []
        start = 0
        for task in tasks:
            results.append({alias: array[start : start + task.rows] for alias, array in outputs.items()})
            start += task.rows
        return results


def _rows(inputs: Mapping[str, Array]) -> int:
    """
    Raises:
        ServingError: INVALID_ARGUMENT, the inputs have no rows in common.
    """
    if not inputs:
        raise invalid("Batching Run() must have at least one input tensor")
    sizes = set()
    for array in inputs.values():
        if array.ndim == 0:
            raise invalid("Batching Run() input tensors must have at least one dimension")
        sizes.add(len(array))
    if len(sizes) > 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def _dims(shape: Any) -> tuple[int, ...] | None:
    """Sizes of a TensorShapeProto, -1 where any will do; None: of any rank."""
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def _conforms(signature: Signature, shapes: _Shapes, inputs: Mapping[str, Array]) -> bool:
    if inputs.keys() != signature.inputs.keys():
        return False
    for alias, array in inputs.items():
        wanted = NUMPY_TYPES.get(signature.inputs[alias].dtype)
        if wanted is not None and array.dtype != wanted:
            return False
        dims = shapes[alias]
        if dims is None:
            continue
        if len(dims) != array.ndim:
            return False
        if any(want not in (-1, size) for want, size in zip(dims[1:], array.shape[1:], strict=True)):
            return False
    return True


def _merge(name: str, arrays: list[Array], missing_rows: int, *, pad: bool) -> Array:
    """All rows below each other, and `missing_rows` times the last request's first row (it is sure to be valid)."""
    if any(array.shape[1:] != arrays[0].shape[1:] for array in arrays[1:]):
        if not pad:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off."
                "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name"
                "have equal dimensions starting with the first dim.",
            )
        arrays = _padded(arrays)
    if missing_rows:
        arrays = [*arrays, np.repeat(arrays[-1][:1], missing_rows, axis=0)]
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _padded(arrays: list[Array]) -> list[Array]:
    """Each array as large as the largest in every dimension but the first, filled with its own first element."""
    if len({array.ndim for array in arrays}) > 1:
        raise ServingError(Code.FAILED_PRECONDITION, "Only tensors of the same rank can be padded")
    largest = np.max([array.shape[1:] for array in arrays], axis=0)
    padded = []
    for array in arrays:
        fill = array.ravel()[0] if array.size else (b"" if array.dtype == object else 0)
        widths = [(0, 0), *((0, int(most) - size) for most, size in zip(largest, array.shape[1:], strict=True))]
        padded.append(np.pad(array, widths, constant_values=fill))
    return padded
