"""Joins what waits into batches and runs them on a fixed number of threads (lanes), shared by all models.

A batch goes to a lane when it is full, or when its first task has waited for the timeout and a lane is free. With a
timeout of 0 nothing ever waits for company: what has queued up while all lanes were busy is the next batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tf_serving.embedded.batching_parameters import BatchingParameters
from tf_serving.embedded.dtypes import Array
from tf_serving.embedded.status import Code, ServingError, invalid

log = logging.getLogger(__name__)


Reply = Callable[[Mapping[str, Array] | None, ServingError | None], None]


class Task:
    """The rows of one request, or a part of them, on their way through a batch.

    The outputs, or an error, go to `reply` in the lane's thread; without one, a thread waits for them.
    """

    __slots__ = ("_done", "_reply", "deadline", "error", "inputs", "outputs", "rows", "since")

    def __init__(
        self, inputs: Mapping[str, Array], rows: int, deadline: float | None, reply: Reply | None = None
    ) -> None:
        self.inputs, self.rows, self.deadline, self._reply = inputs, rows, deadline, reply
        self.since = time.monotonic()
        self.outputs: Mapping[str, Array] | None = None
        self.error: ServingError | None = None
        if reply is None:
            # A bare lock is the cheapest way for one thread to wait for one other.
            self._done = threading.Lock()
            self._done.acquire()

    def finish(self, outputs: Mapping[str, Array] | None, error: ServingError | None = None) -> None:
        """Give the waiting request its outputs, or its error."""
        self.outputs, self.error = outputs, error
        if self._reply is None:
            self._done.release()
        else:
            # An error of its own: what raises it notes where, and the neighbours have the same one.
            self._reply(outputs, error and ServingError(error.code, error.message))

    def wait(self) -> Mapping[str, Array]:
        """The outputs.

        Raises:
            ServingError: the run failed, or did not end by the deadline.
        """
        timeout_s = -1.0 if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        if not self._done.acquire(timeout=timeout_s):
            raise ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
        if self.error is not None:
            raise ServingError(self.error.code, self.error.message)
        assert self.outputs is not None
        return self.outputs


@dataclass(slots=True)
class _Batch:
    tasks: list[Task] = field(default_factory=list)
    rows: int = 0


class Queue:
    """The batches of one signature of one loaded version; the last is still open. The scheduler's lock guards it."""

    def __init__(self, process: Callable[[Sequence[Task]], None]) -> None:
        self.process = process
        self.batches: deque[_Batch] = deque([_Batch()])
        self.running = 0


class BatchScheduler:
    """Owns the lanes. They are daemon threads: nothing of theirs has to outlive the requests that wait for them."""

    def __init__(self, parameters: BatchingParameters) -> None:
        self.parameters = parameters
        self.observe_waits: Callable[[Sequence[float]], None] | None = None  # microseconds that tasks were queued
        self._timeout_s = parameters.batch_timeout_micros / 1e6
        self._queues: list[Queue] = []
        self._changed = threading.Condition()
        self._idle_lanes = 0
        self._stopped = False
        self._lanes = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(parameters.num_batch_threads)
        ]
        for lane in self._lanes:
            lane.start()

    def add_queue(self, process: Callable[[Sequence[Task]], None]) -> Queue:
        """A new queue whose batches `process` runs; it has to finish every task of the batch."""
        queue = Queue(process)
        with self._changed:
            self._queues.append(queue)
        return queue

    def remove_queue(self, queue: Queue) -> None:
        """Wait for what has been submitted and forget the queue."""
        with self._changed:
            self._changed.wait_for(lambda: not queue.running and len(queue.batches) == 1 and not queue.batches[0].tasks)
            self._queues.remove(queue)

    def submit(self, queue: Queue, task: Task) -> None:
        """Enqueue a task that is not larger than a batch.

        Raises:
            ServingError: INVALID_ARGUMENT, it is larger; UNAVAILABLE, the queue is full.
        """
        limit = self.parameters.max_batch_size
        if task.rows > limit:
            raise invalid(f"Task size {task.rows} is larger than maximum input batch size {limit}")
        with self._changed:
            if queue.batches[-1].rows + task.rows > limit:
                if len(queue.batches) >= self.parameters.max_enqueued_batches:
                    raise ServingError(
                        Code.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted is full; currently "
                        f"{len(queue.batches)} batches enqueued and max_enqueued_batches is "
                        f"{self.parameters.max_enqueued_batches}",
                    )
                queue.batches.append(_Batch())
            self._enqueue(queue, task)

    def submit_split(self, queue: Queue, rows: int, part: Callable[[int, int], Task]) -> list[Task]:
        """Enqueue `part(start, stop)` for consecutive ranges of `rows`, each at most as large as a run may be.

        Raises:
            ServingError: INVALID_ARGUMENT, there are more rows than a request may have; UNAVAILABLE, the queue is full.
        """
        if rows > self.parameters.max_batch_size:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {self.parameters.max_batch_size}")
        limit = self.parameters.execution_limit
        tasks = []
        with self._changed:
            open_rows, enqueued = queue.batches[-1].rows, len(queue.batches)
            capacity = (self.parameters.max_enqueued_batches - enqueued) * limit + limit - open_rows
            if rows > capacity:
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; task size is "
                    f"{rows} but scheduling capacity is only {capacity} (num_enqueued_batches={enqueued}, "
                    f"max_enqueued_batches={self.parameters.max_enqueued_batches}, open_batch_size={open_rows}, "
                    f"max_execution_batch_size={limit})",
                )
            start = 0
            while start < rows:
                if queue.batches[-1].rows >= limit:
                    queue.batches.append(_Batch())
                stop = min(rows, start + limit - queue.batches[-1].rows)
                tasks.append(part(start, stop))
                self._enqueue(queue, tasks[-1])
                start = stop
        return tasks

    def _enqueue(self, queue: Queue, task: Task) -> None:
        batch = queue.batches[-1]
        batch.tasks.append(task)
        batch.rows += task.rows
        if self._idle_lanes:
            self._changed.notify()

    def stop(self) -> None:
        """End the lanes after the batch that each is running."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for lane in self._lanes:
            lane.join()

    # --- the lanes

    def _work(self) -> None:
        while True:
            with self._changed:
                found = self._next()
                while found is None:
                    if self._stopped:
                        return
                    self._idle_lanes += 1
                    self._changed.wait(self._next_due_s())
                    self._idle_lanes -= 1
                    found = self._next()
                queue, batch = found
                queue.running += 1
            if self.observe_waits is not None:
                now = time.monotonic()
                self.observe_waits([(now - task.since) * 1e6 for task in batch.tasks])
            try:
                queue.process(batch.tasks)
            except Exception:
                # A defect must not take a lane away from all later requests.
                log.exception("running a batch failed")
                error = ServingError(Code.INTERNAL, "Internal error of the embedded server; its log says more")
                for task in batch.tasks:
                    if task.outputs is None and task.error is None:
                        task.finish(None, error)
            with self._changed:
                queue.running -= 1
                if not queue.running:
                    self._changed.notify_all()  # `remove_queue` may be waiting

    def _next(self) -> tuple[Queue, _Batch] | None:
        """Take the batch that has waited longest out of its queue."""
        now = time.monotonic()
        oldest: Queue | None = None
        for queue in self._queues:
            first = queue.batches[0]
            if not first.tasks:
                continue
            if (
                len(queue.batches) == 1
                and first.rows < self.parameters.execution_limit
                and now < first.tasks[0].since + self._timeout_s
                and not self._stopped
            ):
                continue
            if oldest is None or first.tasks[0].since < oldest.batches[0].tasks[0].since:
                oldest = queue
        if oldest is None:
            return None
        batch = oldest.batches.popleft()
        if not oldest.batches:
            oldest.batches.append(_Batch())
        return oldest, batch

    def _next_due_s(self) -> float | None:
        """Seconds until the first open batch has waited long enough."""
        since = [queue.batches[0].tasks[0].since for queue in self._queues if queue.batches[0].tasks]
        return max(0.0, min(since) + self._timeout_s - time.monotonic()) if since else None
