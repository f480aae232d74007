"""Pacing: how much may go to each lane at once, so that a slow, dead or strict receiver holds up no other.

Each lane has a number of messages under way that grows with every success and halves with every failure (as TCP's
congestion window does), a circuit breaker, and for some channels a rate. Lanes that have not proved themselves share
only a part of the worker's threads: many receivers that hang cannot take them all.

Not safe for several threads by itself: the worker calls it under its lock. Times are seconds of `time.monotonic()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FAILURES_TO_OPEN = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LONGEST_ASKED_PAUSE_S = 600.0
# A lane whose receiver takes longer is kept to a few messages at a time.
SLOW_S = 1.0
UNPROVED_LIMIT = 2
UNPROVED_SHARE = 0.75
MOST_HELD = 256
# Critical messages get room beyond the window: what is held already may be hundreds of lesser ones.
CRITICAL_ROOM = 8


@dataclass
class Bucket:
    """A rate: `per_second` messages on average, at most one second's worth (but at least one) at once."""

    per_second: float
    tokens: float = 1.0
    filled_at: float = 0.0

    def refill(self, now: float) -> float:
        self.tokens = min(max(1.0, self.per_second), self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        return self.tokens


@dataclass
class Lane:
    """What is known of one lane."""

    limit: float = UNPROVED_LIMIT
    window: float = UNPROVED_LIMIT
    held: int = 0
    under_way: int = 0
    failures: int = 0
    pauses: int = 0
    open_until: float = 0.0
    proved: bool = False
    used_at: float = 0.0
    bucket: Bucket | None = None


@dataclass
class Pacing:
    """All lanes of one worker."""

    threads: int
    most_under_way: int
    per_second: Mapping[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    lanes: dict[str, Lane] = field(default_factory=dict)
    unproved_under_way: int = 0

    def room(self, lane: str, critical: bool = False) -> int:
        """How many more deliveries of the lane may be leased now; 0 while its circuit is open."""
        state, now = self._lane(lane), self.clock()
        if now < state.open_until:
            return 0
        most = state.window
        if state.bucket is not None:
            # Not more than may go out at once: what is leased and waits cannot be cancelled any more.
            most = min(most, int(state.bucket.refill(now)) + state.under_way)
        elif critical and state.failures == 0:
            most += CRITICAL_ROOM
        return max(0, int(most) - state.held - state.under_way)

    def hold(self, lane: str, count: int = 1) -> None:
        """Deliveries of the lane were leased."""
        self._lane(lane).held += count

    def drop(self, lane: str, count: int = 1) -> None:
        """Deliveries that were held were given back without a try."""
        self._lane(lane).held -= count

    def start(self, lane: str) -> bool:
        """Whether one held delivery may go out now; if so, it counts as under way."""
        state, now = self._lane(lane), self.clock()
        if now < state.open_until or state.under_way >= int(state.limit):
            return False
        if not state.proved and self.unproved_under_way >= max(1, int(self.threads * UNPROVED_SHARE)):
            return False
        if state.bucket is not None:
            if state.bucket.refill(now) < 1:
                return False
            state.bucket.tokens -= 1
        state.held -= 1
        state.under_way += 1
        if not state.proved:
            self.unproved_under_way += 1
        return True

    def succeeded(self, lane: str, latency_s: float) -> None:
        state = self._finished(lane)
        state.failures = state.pauses = 0
        self._prove(state, latency_s < SLOW_S)
        if state.proved:
            state.limit = min(self.most_under_way, state.limit + 1)
            state.window = min(MOST_HELD, state.window + 2)
        else:
            state.limit = state.window = UNPROVED_LIMIT

    def answered(self, lane: str) -> None:
        """The provider refused this one message: it is well itself."""
        self._finished(lane).failures = 0

    def failed(self, lane: str, pause_s: float | None = None) -> None:
        """The receiver did not take it. `pause_s`: how long it asked to be left alone."""
        state = self._finished(lane)
        state.failures += 1
        self._prove(state, False)
        state.limit = state.window = max(1.0, state.limit / 2)
        if state.failures >= FAILURES_TO_OPEN:
            wait_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**state.pauses)
            state.pauses += 1
            state.open_until = self.clock() + wait_s
            # One message tries whether it is over.
            state.limit = state.window = 1.0
        if pause_s is not None:
            state.open_until = max(state.open_until, self.clock() + min(pause_s, LONGEST_ASKED_PAUSE_S))

    def closed(self, lane: str) -> bool:
        """Whether the circuit of the lane lets messages through."""
        return self.clock() >= self._lane(lane).open_until

    def forget_idle(self, idle_s: float = 600.0) -> None:
        """Drop lanes without use, so that addresses that are never used again do not fill the memory."""
        now = self.clock()
        self.lanes = {
            name: lane
            for name, lane in self.lanes.items()
            if lane.held or lane.under_way or now - lane.used_at < idle_s or now < lane.open_until
        }

    def _lane(self, name: str) -> Lane:
        state = self.lanes.get(name)
        if state is None:
            rate = self.per_second.get(name, self.per_second.get(name.partition(":")[0]))
            state = Lane(bucket=None if rate is None else Bucket(rate, filled_at=self.clock()))
            self.lanes[name] = state
        state.used_at = self.clock()
        return state

    def _finished(self, name: str) -> Lane:
        state = self._lane(name)
        state.under_way -= 1
        if not state.proved:
            self.unproved_under_way -= 1
        return state

    def _prove(self, state: Lane, proved: bool) -> None:
        """Change a lane's standing; what it still has under way moves to the other account."""
        if proved != state.proved:
            self.unproved_under_way += -state.under_way if proved else state.under_way
            state.proved = proved
