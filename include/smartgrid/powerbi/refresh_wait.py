"""Waiting for the end of a request: what to do next and when, for callers that sleep in their own way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from smartgrid.clock import wall_clock
from smartgrid.powerbi.errors import AccessDenied, NotFound, PowerBiError, RefreshStillOpen, SignInRefused, Unavailable
from smartgrid.powerbi.refresh_flow import Outcome, RefreshFlow, Wait
from smartgrid.powerbi.retry_after import pause_s

log = logging.getLogger(__name__)


class RefreshWait:
    """Call `advance` again and again, sleeping as it says, until it gives an `Outcome`.

    It bridges times in which the service is away or denies what it allowed before. The time limit counts from the
    request, so that it is the same for a process that takes over.
    """

    def __init__(self, flow: RefreshFlow, request_id: int) -> None:
        self.flow, self.request_id = flow, request_id
        self._policy = flow.policy
        self._trouble_since: float | None = None
        self._attempts = 0
        self._withdrawn_at: float | None = None
        self._said = ""

    def advance(self) -> Wait | Outcome:
        """The outcome, or how long to sleep before the next call.

        Raises:
            RefreshStillOpen: the time is over, and the end of the refresh is not known.
            Unavailable: for longer than `outage_s`.
            AccessDenied, NotFound, SignInRefused
        """
        late = self._late_s()
        if late > 0 and self._withdrawn_at is None:
            self._withdraw()
        try:
            step = self.flow.step(self.request_id, may_start=self._withdrawn_at is None)
        except (Unavailable, AccessDenied, NotFound, SignInRefused) as error:
            step = self._bridge(error)
        else:
            self._trouble_since, self._attempts = None, 0
        if isinstance(step, Outcome):
            return step
        self._give_up_when_withdrawn(step)
        if step.reason != self._said:
            self._said = step.reason
            log.info("waiting: %s", step.reason)
        if self._withdrawn_at is None:
            # Not beyond the limit: a long pause must not move it.
            return Wait(max(0.01, min(step.seconds, 0.01 - self._late_s())), step.reason)
        return Wait(min(step.seconds, max(self._policy.first_poll_s, 1.0)), step.reason)

    def _late_s(self) -> float:
        """Seconds beyond the time limit; negative before it."""
        requested_at = self.flow.store.request(self.request_id).requested_at
        return (wall_clock() - requested_at).total_seconds() - self._policy.refresh_timeout_s

    def _bridge(self, error: PowerBiError) -> Wait:
        now = time.monotonic()
        self._trouble_since = now if self._trouble_since is None else self._trouble_since
        lasted_s = now - self._trouble_since
        if isinstance(error, Unavailable):
            patience_s, asked_s = self._policy.outage_s, error.retry_after_s
        else:
            # A refresh of ours runs, so the right was there: such refusals pass, but not for long.
            runs = self.flow.serving(self.request_id) is not None
            patience_s, asked_s = (self._policy.settle_s if runs else -1.0), None
        if lasted_s > patience_s:
            raise error
        self._attempts += 1
        log.warning("%s", error)
        pause = pause_s(self._attempts, asked_s, self._policy.first_poll_s)
        return Wait(
            pause if asked_s is not None else min(pause, max(self._policy.poll_s, 1.0)), "the service is in trouble"
        )

    def _withdraw(self) -> None:
        self._withdrawn_at = time.monotonic()
        try:
            done = self.flow.cancel(self.request_id)
        except PowerBiError as error:
            done = f"cancelling failed: {error}"
        log.warning("the time limit of %.0f s is over: %s", self._policy.refresh_timeout_s, done)
        self._said = done

    def _give_up_when_withdrawn(self, step: Wait) -> None:
        if self._withdrawn_at is None:
            return
        refresh = self.flow.serving(self.request_id)
        # A refresh that is being cancelled ends soon; its true end is worth a little more waiting.
        cancelling = refresh is not None and refresh.cancel_asked_at is not None
        if cancelling and time.monotonic() - self._withdrawn_at < self._policy.settle_s:
            return
        limit = f"not ended within {self._policy.refresh_timeout_s:.0f} s ({self._said or step.reason})"
        self.flow.store.close_request(self.request_id, "withdrawn", limit)
        raise RefreshStillOpen(self.flow.dataset_id, limit)


def wait_for(flow: RefreshFlow, request_id: int, sleep: Callable[[float], None] = time.sleep) -> Outcome:
    """Wait in this thread. Raises what `RefreshWait.advance` raises."""
    waiting = RefreshWait(flow, request_id)
    while True:
        step = waiting.advance()
        if isinstance(step, Outcome):
            return step
        sleep(step.seconds)
