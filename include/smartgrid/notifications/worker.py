"""The worker: takes due deliveries from the store, sends them outside any transaction, records what became of them.

`python -m smartgrid.notifications.worker` runs one until its standard input ends or a signal comes; a line on standard
input wakes it. Any number may run, on one store.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from smartgrid.clock import wall_clock
from smartgrid.errors import SmartGridError
from smartgrid.notifications import lease, outbox
from smartgrid.notifications.addressing import addressed
from smartgrid.notifications.channel import Channel, Delivery
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.lanes import queue_of
from smartgrid.notifications.outcome import Outcome, record
from smartgrid.notifications.pacing import Pacing
from smartgrid.notifications.retention import prune
from smartgrid.notifications.router import MOST_EVENTS, route_batch
from smartgrid.notifications.sender import Held, Sender
from smartgrid.notifications.transaction import STORE_AWAY, write_transaction
from smartgrid.settings import Settings, get_settings
from smartgrid.store import session
from smartgrid.store.notification_tables import DeliveryRow

log = logging.getLogger(__name__)

MOST_IN_A_PASS = 1024
# Outcomes are gathered for so long before they are recorded: one commit for many.
GATHER_S = 0.01
ROUTE_EVERY_S, SWEEP_EVERY_S, PRUNE_EVERY_S = 1.0, 15.0, 3600.0
LONGEST_REST_S = 5.0
REST_AFTER_BAD_RULES_S = 30.0
STOP_WAIT_S = 20.0
# A wall clock that differs by more from the monotonic one has been moved.
CLOCK_JUMP_S = 2.0


def default_channel(delivery: Delivery) -> Channel:
    """The channel of a delivery, by the settings of this process."""
    from smartgrid.notifications.channels import channel_for

    return channel_for(delivery.channel, delivery.platform, get_settings())


@dataclass
class Tally:
    """What a worker has done so far."""

    delivered: int = 0
    failed: int = 0
    taken_back: int = 0
    routed_events: int = 0
    passes: int = 0


@dataclass
class Worker:
    """One worker. `run` until `stop`; `drain` until nothing is due any more."""

    settings: Settings
    channel_for: Callable[[Delivery], Channel] = default_channel
    clock: Callable[[], datetime] = wall_clock
    name: str = field(default_factory=lambda: f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}")
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        outbox_settings = self.settings.outbox
        self._lease = timedelta(seconds=outbox_settings.lease_s)
        pacing = Pacing(outbox_settings.threads, outbox_settings.endpoint_concurrency, outbox_settings.per_second)
        self.sender = Sender(pacing, self.channel_for, self._hand_over, outbox_settings.threads, self.clock)
        self._stopping = threading.Event()
        self._unrecorded: list[Outcome] = []
        self._refused: list[Outcome] = []
        self._renew_at = self._route_at = self._sweep_at = 0.0
        self._prune_at = time.monotonic() + PRUNE_EVERY_S
        self._rest_s = 0.0
        # Whether something due only waits for its turn (a rate, a full lane), not for the end of a pause.
        self._rationed = False
        self._clock_offset_s = self._offset()

    # Running

    def run(self) -> None:
        """Work until `stop`; an unreachable store is waited for, and what was sent meanwhile is recorded then."""
        log.info("worker %s begins", self.name)
        while not self._stopping.is_set():
            waiting_s = self._pass_or_rest()
            self._gather(waiting_s)
        self._end()
        log.info("worker %s ends: %s", self.name, self.tally)

    def drain(self, within_s: float) -> Tally:
        """Deliver what is due now and return when nothing is left, or after `within_s`.

        Raises:
            sqlalchemy.exc.OperationalError: the store cannot be reached.
        """
        until = time.monotonic() + within_s
        try:
            while time.monotonic() < until:
                waiting_s = self._pass()
                nothing_held = not (self.sender.ids() or self._unrecorded or self._refused)
                if nothing_held and waiting_s > 0 and not self._rationed and self._route_at > 0:
                    break
                self._gather(min(waiting_s, 0.2))
        finally:
            self._end()
        return self.tally

    def stop(self) -> None:
        """Ask `run` to end, from another thread. Not from a signal handler: it may interrupt whoever holds the lock."""
        self._stopping.set()
        self.sender.wake()

    def wake(self) -> None:
        """Something was added to the outbox: look now."""
        self._route_at = 0.0
        self.sender.wake()

    # One pass

    def _pass_or_rest(self) -> float:
        try:
            waiting_s = self._pass()
        except STORE_AWAY as error:
            # Its text may hold the parameters of the statement, and with them a message: the class is enough.
            self._rest_s = min(LONGEST_REST_S, self._rest_s * 2 or 0.25)
            log.warning("the store cannot be reached (%s); again in %.2f s", type(error).__name__, self._rest_s)
            self._stopping.wait(self._rest_s)
            return 0.0
        self._rest_s = 0.0
        return waiting_s

    def _pass(self) -> float:
        """Route, record, lease, hold. Returns for how many seconds there is nothing to do but wait."""
        self.tally.passes += 1
        moment = time.monotonic()
        self._watch_clock()
        if moment >= self._route_at:
            self._route_at = moment + ROUTE_EVERY_S
            self._route()
        if moment >= self._sweep_at:
            self._sweep_at = moment + SWEEP_EVERY_S
            self._sweep()
        if moment >= self._prune_at:
            self._prune_at = moment + PRUNE_EVERY_S
            prune(self.settings)
        now = self.clock()
        with session() as reading:
            queues = lease.waiting_queues(reading)
            lost = reading.scalar(select(DeliveryRow.delivery_id).where(DeliveryRow.lease_until < now).limit(1))
        due = {_split(queue) for queue, due_at in queues.items() if due_at <= now}
        rooms = self.sender.rooms(sorted(due))
        wanted = {queue_of(*queue): room for queue, room in rooms.items()}
        given_back = self.sender.drop()
        renewing = moment >= self._renew_at
        outcomes = self._unrecorded + self._refused
        if outcomes or wanted or lost or given_back or (renewing and self.sender.ids()):
            self._write(outcomes, _capped(wanted), given_back, renewing=renewing, lost=lost is not None)
        if self._refused:
            return 0.0
        blocked = due - set(rooms)
        self._rationed = any(self.sender.pacing.closed(lane) for _, lane in blocked)
        if self._route_at == 0.0:
            # More events wait to be routed than one transaction takes.
            return 0.0
        if blocked:
            # Due, but its lane is full or paused: an outcome or the end of a pause lets it on.
            return min(0.05, self.settings.outbox.poll_s)
        next_due = [due_at for due_at in queues.values() if due_at > now]
        first_s = min((due_at - now).total_seconds() for due_at in next_due) if next_due else LONGEST_REST_S
        return 0.0 if wanted else max(0.001, min(self.settings.outbox.poll_s, first_s))

    def _write(
        self,
        outcomes: list[Outcome],
        wanted: dict[str, int],
        given_back: list[DeliveryRow],
        *,
        renewing: bool,
        lost: bool,
    ) -> None:
        """The one write transaction of a pass."""
        now, good_until = self.clock(), time.monotonic() + self._lease.total_seconds()
        with write_transaction() as transaction:
            record(transaction, outcomes, self.name, now, self.settings)
            lease.give_back(transaction, self.name, [_returned(row) for row in given_back])
            taken_back = lease.take_back_lost(transaction, now, self.name) if lost else 0
            if renewing:
                lease.renew(transaction, self.name, self.sender.ids(), now, self._lease)
            # What became of a recipient must be known before it is addressed again.
            transaction.flush()
            rows = lease.take(transaction, wanted, self.name, now, self._lease)
            ready = addressed(transaction, rows, now, self.settings)
            transaction.flush()
            # The threads read these rows; the next pass must not change them.
            transaction.expunge_all()
        if renewing:
            self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
            self.sender.renewed(good_until)
        self.tally.taken_back += taken_back
        self._count(outcomes)
        self._unrecorded, self._refused = [], []
        holding = []
        for row, delivery in ready:
            if isinstance(delivery, DeliveryFailed):
                self._refused.append(Outcome(row, now, 0.0, delivery))
            else:
                holding.append(Held(row, delivery, good_until))
        self.sender.put(holding)

    def _route(self) -> None:
        """Route a batch of events. Without events, too: groups and escalations have their own times."""
        try:
            routed = route_batch(self.settings)
        except SmartGridError as error:
            # Rules that cannot be read: events wait until they are corrected, messages need not.
            log.error("events are not routed: %s", error)
            self._route_at = time.monotonic() + REST_AFTER_BAD_RULES_S
            return
        self.tally.routed_events += routed
        if routed == MOST_EVENTS:
            # More of them, but first what these lead to.
            self._route_at = 0.0

    def _sweep(self) -> None:
        with write_transaction() as transaction:
            outbox.expire(transaction, self.clock())
        self.sender.pacing.forget_idle()

    def _watch_clock(self) -> None:
        """Repair what was scheduled by a clock that has been moved back; also once when the worker begins."""
        offset_s = self._offset()
        if self.tally.passes == 1 or offset_s < self._clock_offset_s - CLOCK_JUMP_S:
            with write_transaction() as transaction:
                repaired = lease.repair_after_clock_jump(transaction, self.clock())
            if repaired:
                log.warning("the clock was moved back: %d deliveries were rescheduled", repaired)
        self._clock_offset_s = offset_s

    def _offset(self) -> float:
        return self.clock().timestamp() - time.monotonic()

    def _gather(self, waiting_s: float) -> None:
        """Wait for outcomes, then a moment longer, so that one commit records many."""
        first = self.sender.collect(waiting_s)
        if first:
            time.sleep(GATHER_S)
            self._unrecorded += first + self.sender.collect(0)

    def _hand_over(self, row: DeliveryRow) -> bool:
        with write_transaction() as transaction:
            return lease.hand_over(transaction, row.delivery_id, self.name, self.clock())

    def _count(self, outcomes: list[Outcome]) -> None:
        failed = sum(isinstance(outcome.result, DeliveryFailed) for outcome in outcomes)
        self.tally.failed += failed
        self.tally.delivered += len(outcomes) - failed

    def _end(self) -> None:
        """Give back what was not tried, let what is under way finish, record it."""
        given_back = self.sender.drop(everything=True)
        self.sender.stop(STOP_WAIT_S)
        self._unrecorded += self.sender.collect(0)
        try:
            self._write(self._unrecorded + self._refused, {}, given_back, renewing=False, lost=False)
        except STORE_AWAY as error:
            log.warning("the store cannot be reached at the end (%s); the leases run out", type(error).__name__)


def _split(queue: str) -> tuple[int, str]:
    rank, _, lane = queue.partition("|")
    return int(rank), lane


def _capped(wanted: dict[str, int]) -> dict[str, int]:
    """At most so many in one pass, so that the transaction stays short; critical ones come first."""
    left, capped = MOST_IN_A_PASS, {}
    for queue, most in sorted(wanted.items()):
        if left <= 0:
            break
        capped[queue] = min(most, left)
        left -= capped[queue]
    return capped


def _returned(row: DeliveryRow) -> dict[str, Any]:
    state = "pending" if row.handed_over_at is None else "ambiguous"
    return {"id": row.delivery_id, "queue": queue_of(row.rank, row.lane), "state": state}


def main() -> None:
    """A worker as a process of its own."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("smartgrid").setLevel(logging.INFO)
    # Each attempt is in the store; a line for each would be hundreds a second.
    logging.getLogger("smartgrid.notifications.channels").setLevel(logging.WARNING)
    worker = Worker(get_settings())
    signalled, announce = os.pipe()
    os.set_blocking(announce, False)
    threading.Thread(target=_stop_at_signal, args=(worker, signalled), name="signals", daemon=True).start()
    # The handler does nothing: it interrupts the main thread, which may hold the lock that stopping needs.
    signal.set_wakeup_fd(announce)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    threading.Thread(target=_listen, args=(worker,), name="wake", daemon=True).start()
    # What is loaded now stays: looking through it for garbage again and again would stop all threads for 0.1 s.
    gc.collect()
    gc.freeze()
    worker.run()


def _stop_at_signal(worker: Worker, signalled: int) -> None:
    os.read(signalled, 1)
    worker.stop()


def _listen(worker: Worker) -> None:
    """Whoever started this process wakes it with a byte; when its end of the pipe closes, so does the worker."""
    while os.read(sys.stdin.fileno(), 4096):
        worker.wake()
    worker.stop()


if __name__ == "__main__":
    main()
