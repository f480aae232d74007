"""A request as steps: everything up to the run of its model, the run, everything after it.

Steps are a generator that gives one ModelRun and is sent what the model returned (or thrown its error). Whoever drives
it chooses where and when the model runs (at once, in a thread, in a batch with other requests), while the request's own
code, and what it holds open, stays in one piece. Steps that find out that they take long give None first: from there on
they must not hold up an event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from typing import Generic, TypeVar

from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.runner import SavedModelRunner
from tf_serving.embedded.signature import Signature
from tf_serving.embedded.status import Code, ServingError

T = TypeVar("T")
Outputs = Mapping[str, Array]
Observe = Callable[[Outputs, float], None]  # the inputs, and the microseconds the run took


class ModelRun:
    """One run of `model`: its `inputs` by alias, the `outputs` wanted, when it has to be over (time.monotonic)."""

    __slots__ = ("_observe", "deadline", "inputs", "model", "outputs", "signature")

    def __init__(
        self,
        model: SavedModelRunner,
        signature: Signature,
        inputs: Outputs,
        outputs: tuple[str, ...],
        deadline: float | None,
        observe: Observe | None,
    ) -> None:
        self.model, self.signature, self.inputs, self.outputs = model, signature, inputs, outputs
        self.deadline, self._observe = deadline, observe

    def execute(self) -> Outputs:
        """Run it in this thread.

        Raises:
            ServingError: with TensorFlow's code and text; DEADLINE_EXCEEDED.
        """
        began = time.perf_counter()
        outputs = self.model.run(self.signature, self.inputs, self.outputs, self.remaining_s())
        self.took(time.perf_counter() - began)
        return outputs

    def remaining_s(self) -> float | None:
        """Seconds until the deadline.

        Raises:
            ServingError: DEADLINE_EXCEEDED, it has passed.
        """
        if self.deadline is None:
            return None
        remaining_s = self.deadline - time.monotonic()
        if remaining_s <= 0:
            raise ServingError(Code.DEADLINE_EXCEEDED, "Deadline exceeded before the model ran")
        return remaining_s

    def took(self, seconds: float) -> None:
        """Note how long the model had this run."""
        if self._observe is not None:
            self._observe(self.inputs, seconds * 1e6)


Steps = Generator[ModelRun | None, Outputs, T]


class Finished(Generic[T]):
    """The result of steps that are through."""

    __slots__ = ("result",)

    def __init__(self, result: T) -> None:
        self.result = result


def begin(steps: Steps[T]) -> ModelRun | Finished[T]:
    """Everything up to the run; some requests end without one. Not for an event loop: it may take long."""
    try:
        while (run := next(steps)) is None:
            pass
    except StopIteration as stop:
        return Finished(stop.value)
    return run


def run_now(steps: Steps[T]) -> T:
    """All steps in this thread, one after the other.

    Raises:
        ServingError: the request's own.
    """
    begun = begin(steps)
    return begun.result if isinstance(begun, Finished) else run_and_finish(steps, begun)


def run_and_finish(steps: Steps[T], run: ModelRun) -> T:
    """Steps that have given `run`: run it, and the rest."""
    try:
        outputs = run.execute()
    except ServingError as error:
        return fail(steps, error)
    return finish(steps, outputs)


def finish(steps: Steps[T], outputs: Outputs) -> T:
    """The steps after the run."""
    try:
        steps.send(outputs)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("steps run one model once")


def fail(steps: Steps[T], error: ServingError) -> T:
    """The steps after a run that failed; they usually end with that error."""
    try:
        steps.throw(error)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("steps run one model once")
