"""The threads of a worker: they take what is held, one lane never more than it may have, and hand it to its channel."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from smartgrid.clock import wall_clock
from smartgrid.notifications.channel import Channel, Delivery, Receipt, Reconciles
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.lease import UNREPEATABLE
from smartgrid.notifications.outcome import Outcome
from smartgrid.notifications.pacing import Pacing
from smartgrid.notifications.transaction import STORE_AWAY
from smartgrid.store.notification_tables import DeliveryRow

log = logging.getLogger(__name__)

ChannelFor = Callable[[Delivery], Channel]
# How long a thread without work waits before it looks for what a pause or a rate has let through meanwhile.
LOOK_AGAIN_S = 0.05


@dataclass
class Held:
    """A leased delivery in memory. `good_until`: after this moment of the monotonic clock it may be another's."""

    row: DeliveryRow
    delivery: Delivery
    good_until: float


@dataclass
class Sender:
    """Sends held deliveries; outcomes are collected with `collect`. Threads are made as they are needed."""

    pacing: Pacing
    channel_for: ChannelFor
    # Notes that an unrepeatable message goes out now; False: it is not ours any more.
    hand_over: Callable[[DeliveryRow], bool]
    threads: int
    clock: Callable[[], datetime] = wall_clock

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lanes: dict[str, list[deque[Held]]] = field(default_factory=dict)
    _under_way: dict[str, Held] = field(default_factory=dict)
    _outcomes: list[Outcome] = field(default_factory=list)
    _pool: list[threading.Thread] = field(default_factory=list)
    _idle: int = 0
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._work = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)

    def rooms(self, lanes: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
        """How many deliveries of each (rank, lane) may be leased now."""
        with self._lock:
            free: dict[str, int] = {}
            found: dict[tuple[int, str], int] = {}
            for rank, lane in lanes:
                room = self.pacing.room(lane, critical=rank == 0) - free.get(lane, 0)
                if room > 0:
                    found[rank, lane] = room
                    free[lane] = free.get(lane, 0) + room
            return found

    def put(self, held: Iterable[Held]) -> None:
        """Hold deliveries for sending; those of a lower rank go first."""
        with self._lock:
            count = 0
            for one in held:
                lane = self._lanes.setdefault(one.row.lane, [deque() for _ in range(4)])
                lane[one.row.rank].append(one)
                self.pacing.hold(one.row.lane)
                count += 1
            while count > self._idle and len(self._pool) < self.threads and count > 0:
                self._start_thread()
                count -= 1
            self._work.notify(len(self._pool))

    def collect(self, timeout_s: float) -> list[Outcome]:
        """Outcomes since the last call; waits for one at most `timeout_s`."""
        with self._lock:
            if not self._outcomes and timeout_s > 0:
                self._done.wait(timeout_s)
            outcomes, self._outcomes = self._outcomes, []
            return outcomes

    def wake(self) -> None:
        """Let a waiting `collect` return."""
        with self._lock:
            self._done.notify_all()

    def ids(self) -> list[str]:
        """Deliveries that are held or under way."""
        with self._lock:
            waiting = [one.row.delivery_id for lane in self._lanes.values() for rank in lane for one in rank]
            return waiting + list(self._under_way)

    def renewed(self, good_until: float) -> None:
        """All leases were renewed."""
        with self._lock:
            for lane in self._lanes.values():
                for rank in lane:
                    for one in rank:
                        one.good_until = good_until
            for one in self._under_way.values():
                one.good_until = good_until

    def drop(self, *, everything: bool = False) -> list[DeliveryRow]:
        """Take back what is held and cannot go out soon, because its lane is paused (or all of it)."""
        with self._lock:
            dropped = []
            for name, lane in self._lanes.items():
                if everything or not self.pacing.closed(name):
                    for rank in lane:
                        dropped += [one.row for one in rank]
                        self.pacing.drop(name, len(rank))
                        rank.clear()
            self._lanes = {name: lane for name, lane in self._lanes.items() if any(lane)}
            return dropped

    def busy(self) -> int:
        with self._lock:
            return len(self._under_way)

    def stop(self, wait_s: float) -> None:
        """End the threads; those that still send get `wait_s` for it."""
        with self._lock:
            self._stopping = True
            self._work.notify_all()
        until = time.monotonic() + wait_s
        for thread in self._pool:
            thread.join(max(0.0, until - time.monotonic()))

    def _start_thread(self) -> None:
        # Daemons: one that hangs in a provider's library must not keep the process from ending.
        thread = threading.Thread(target=self._run, name=f"sender-{len(self._pool)}", daemon=True)
        self._pool.append(thread)
        thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                held = self._next()
                while held is None:
                    if self._stopping:
                        return
                    self._idle += 1
                    # Without anything held only `put` can bring work; otherwise time alone may.
                    self._work.wait(LOOK_AGAIN_S if self._lanes else None)
                    self._idle -= 1
                    held = self._next()
            outcome = self._send(held)
            with self._lock:
                self._finished(held, outcome)

    def _next(self) -> Held | None:
        """The next delivery that may go out: critical ones first, lanes in turn."""
        if self._stopping:
            return None
        now = time.monotonic()
        for rank in range(4):
            for name, lane in self._lanes.items():
                while lane[rank] and lane[rank][0].good_until <= now:
                    # Its lease ran out while the store could not be reached: it is not ours to send.
                    lane[rank].popleft()
                    self.pacing.drop(name)
                if lane[rank] and self.pacing.start(name):
                    held = lane[rank].popleft()
                    # To the end of the line, so that the next thread begins with another lane.
                    del self._lanes[name]
                    if any(lane):
                        self._lanes[name] = lane
                    self._under_way[held.row.delivery_id] = held
                    return held
        self._lanes = {name: lane for name, lane in self._lanes.items() if any(lane)}
        return None

    def _send(self, held: Held) -> Outcome | None:
        started_at, began = self.clock(), time.perf_counter()
        result: Receipt | DeliveryFailed | None
        try:
            channel = self.channel_for(held.delivery)
            if held.row.handed_over_at is not None:
                result = _asked(channel, held.delivery, held.row.handed_over_at)
            elif held.row.channel in UNREPEATABLE and not self._handed_over(held.row):
                return None
            else:
                result = channel.send(held.delivery)
        except DeliveryFailed as failure:
            result = failure
        except Exception as error:  # noqa: BLE001 - whatever a provider's library may raise
            # A thread that ends is a worker that stops: a channel's defect is that message's failure. Its text stays
            # out of record and log, because it may hold what the library was given.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("channel %s failed with %s at\n%s", held.row.channel, type(error).__name__, where)
            unknown = held.row.channel in UNREPEATABLE
            result = DeliveryFailed("ambiguous" if unknown else "retry", f"the channel failed: {type(error).__name__}")
        return Outcome(held.row, started_at, time.perf_counter() - began, result)

    def _handed_over(self, row: DeliveryRow) -> bool:
        try:
            return self.hand_over(row)
        except STORE_AWAY as error:
            # Not noted, so not sent: the lease runs out and another attempt begins.
            log.warning("the store did not note that %s goes out: %s", row.delivery_id, type(error).__name__)
            return False

    def _finished(self, held: Held, outcome: Outcome | None) -> None:
        self._under_way.pop(held.row.delivery_id, None)
        lane, result = held.row.lane, None if outcome is None else outcome.result
        if isinstance(result, Receipt):
            self.pacing.succeeded(lane, outcome.latency_s if outcome else 0.0)
        elif isinstance(result, DeliveryFailed) and result.kind in ("retry", "ambiguous"):
            self.pacing.failed(lane, result.retry_after_s)
        else:
            self.pacing.answered(lane)
        if outcome is not None:
            self._outcomes.append(outcome)
            self._done.notify()
        if self._lanes:
            self._work.notify()


def _asked(channel: Channel, delivery: Delivery, handed_over_at: datetime) -> Receipt | None:
    """What the provider says of a message of unknown fate."""
    if not isinstance(channel, Reconciles):
        raise DeliveryFailed("ambiguous", "its provider cannot be asked whether it was sent")
    return channel.reconcile(delivery, handed_over_at)
