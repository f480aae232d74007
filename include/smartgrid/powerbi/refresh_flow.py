"""One request for a refresh, from the wish to its true end, in steps that can be taken by any process.

The whole state is in the results store, so it does not matter who takes the next step, or whether whoever took the
last one is still alive: a command, an Airflow worker, a triggerer that took over from another. A step asks the service
a few questions at most and never sleeps.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import timedelta

from smartgrid.clock import wall_clock
from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.errors import AccessDenied, NotFound, NotSent, PowerBiError, Refused, Throttled, Unavailable
from smartgrid.powerbi.refresh_match import Started, find
from smartgrid.powerbi.refresh_policy import RefreshPolicy
from smartgrid.powerbi.refresh_report import RefreshReport
from smartgrid.powerbi.refresh_store import LONGEST_REFRESH, BudgetSpent, RefreshStore
from smartgrid.store.powerbi_tables import PowerBiRefresh

log = logging.getLogger(__name__)
# A start whose answer was lost and that the service never listed may be repeated so often.
MOST_LOST_STARTS = 3
_BUSY = re.compile(r"already\s+(being\s+)?(execut|refresh|running|in progress)|another refresh|in\s?progress", re.I)
_SERVICE_LIMIT = re.compile(
    r"(limit|maximum|exceed|quota|too many).{0,80}(refresh|day|24)|refresh.{0,60}(limit|quota)", re.I
)


@dataclass(frozen=True)
class Wait:
    """Nothing to do for `seconds`, because of `reason`."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class Outcome:
    """How a request ended. `state` is the refresh's, or `budget_spent`, `refused`, `withdrawn`."""

    state: str
    detail: str
    dataset_id: str
    refresh_id: int | None
    service_id: str | None
    ended_at: str | None

    @property
    def completed(self) -> bool:
        return self.state == "completed"


class RefreshFlow:
    """Steps for the requests of one dataset. `client` must not wait by itself (`patience_s=0`)."""

    def __init__(self, client: PowerBiClient, dataset_id: str, policy: RefreshPolicy) -> None:
        self.client, self.dataset_id, self.policy = client, dataset_id, policy
        self.store = RefreshStore(client.access.workspace_id, dataset_id)
        self._enhanced: bool | None = {"standard": False, "enhanced": True}.get(policy.refresh_type)
        self._unconfirmed: set[tuple[int, str]] = set()

    def step(self, request_id: int, may_start: bool = True) -> Wait | Outcome:
        """Take the next step for `request_id`.

        Raises:
            Unavailable: the service is away for now; take the step again later.
            AccessDenied, NotFound, SignInRefused: it will not work until somebody changes something.
        """
        for _ in range(4):  # what ends in one round may let the next begin
            outcome = self.outcome(request_id)
            if outcome is not None:
                return outcome
            live = self.store.live()
            if live is not None:
                wait = self._follow(live)
                if wait is not None:
                    return wait
                continue
            if not may_start:
                return Wait(self.policy.first_poll_s, "no refresh runs for this request")
            quiet_s = self.store.quiet_left_s(self.policy.coalesce_s)
            if quiet_s > 0:
                return Wait(quiet_s, "more requests may come; one refresh will serve them all")
            wait = self._start(request_id)
            if wait is not None:
                return wait
        return Wait(self.policy.first_poll_s, "the state changes quickly")

    def outcome(self, request_id: int) -> Outcome | None:
        """How the request ended, or None while it is open."""
        request = self.store.request(request_id)
        if request.state == "open":
            return None
        refresh = self.store.refresh(request.refresh_id) if request.refresh_id is not None else None
        return Outcome(
            state=request.state,
            detail=request.detail,
            dataset_id=self.dataset_id,
            refresh_id=request.refresh_id,
            service_id=refresh.service_ids[0] if refresh and refresh.service_ids else None,
            ended_at=refresh.ended_at.isoformat() if refresh and refresh.ended_at else None,
        )

    def serving(self, request_id: int) -> PowerBiRefresh | None:
        """The running refresh that serves the request, if there is one."""
        live = self.store.live()
        return live if live is not None and live.covers_request_id >= request_id else None

    def cancel(self, request_id: int) -> str:
        """Stop the refresh of this request, unless somebody else waits for it too; returns what was done."""
        refresh = self.serving(request_id)
        if refresh is None:
            return "nothing was started for it"
        if self.store.others_waiting(refresh, request_id):
            return "the refresh serves others too and goes on"
        if not refresh.enhanced or not refresh.service_ids:
            return "a standard refresh cannot be cancelled and goes on"
        self.store.cancel_asked(refresh.refresh_id)
        self.client.cancel_refresh(self.dataset_id, str(refresh.service_ids[0]))
        return "the service was asked to cancel the refresh"

    # --- a refresh that has no end yet

    def _follow(self, refresh: PowerBiRefresh) -> Wait | None:
        """None: it has its end now."""
        now = wall_clock()
        age_s = (now - refresh.reserved_at).total_seconds()
        report = self._look(refresh, age_s)
        if report is None:
            return self._unlisted(refresh, age_s)
        if report.state == "running":
            self.store.seen(refresh.refresh_id, report.identity)
            if (
                report.ended_at is not None
                and min((now - report.ended_at).total_seconds(), age_s) > self.policy.settle_s
            ):
                self._finish(refresh, "unknown", "the service gives an end but no result", report)
                return None
            return Wait(self.policy.look_again_s(age_s), "the refresh runs")
        sight = (refresh.refresh_id, report.identity)
        if report.state == "completed" and report.ended_at is None and sight not in self._unconfirmed:
            # Completed without an end: believed when it is said twice.
            self._unconfirmed.add(sight)
            return Wait(self.policy.first_poll_s, "the refresh is said to be completed, without an end")
        self.store.seen(refresh.refresh_id, report.identity)
        self._finish(refresh, report.state, report.failure, report)
        return None

    def _look(self, refresh: PowerBiRefresh, age_s: float) -> RefreshReport | None:
        if refresh.enhanced:
            for service_id in refresh.service_ids:
                try:
                    return self.client.refresh_details(self.dataset_id, str(service_id))
                except (NotFound, Refused) as error:
                    if isinstance(error, AccessDenied):
                        raise
                    log.debug("no details of refresh %s: %s", service_id, error)
        started = Started(
            service_ids=[str(one) for one in refresh.service_ids],
            known_before=[str(one) for one in refresh.known_before],
            claimed=self.store.claimed(but=refresh.refresh_id),
            service_time=refresh.service_time,
            age_s=age_s,
        )
        return find(self.client.refresh_history(self.dataset_id).entries, started, self.policy.settle_s)

    def _unlisted(self, refresh: PowerBiRefresh, age_s: float) -> Wait | None:
        if refresh.state == "reserved" and wall_clock() < refresh.lease_until:
            return Wait(self.policy.first_poll_s, "another process starts a refresh")
        gone = age_s > LONGEST_REFRESH.total_seconds()
        if (refresh.seen_at is not None and not gone) or age_s <= self.policy.settle_s:
            return Wait(min(5.0, self.policy.look_again_s(age_s)), "the service does not list the refresh yet")
        if refresh.state == "running":
            self._finish(refresh, "unknown", f"not listed within {self.policy.settle_s:.0f} s of being accepted", None)
        else:
            self._finish(refresh, "lost", "the answer to its start was lost, and the service never listed it", None)
        return None

    def _finish(self, refresh: PowerBiRefresh, state: str, detail: str, report: RefreshReport | None) -> None:
        self.store.finish(refresh.refresh_id, state, detail, report.ended_at if report else None)
        level = logging.INFO if state == "completed" else logging.ERROR
        log.log(
            level,
            "refresh %d of dataset %s: %s%s",
            refresh.refresh_id,
            self.dataset_id,
            state,
            f": {detail}" if detail else "",
        )

    # --- a start

    def _start(self, request_id: int) -> Wait | None:
        if self.store.lost_for(request_id) >= MOST_LOST_STARTS:
            detail = f"{MOST_LOST_STARTS} starts got no answer, and the service listed none of them"
            self.store.close_request(request_id, "unknown", detail)
            return None
        history = self.client.refresh_history(self.dataset_id)
        for entry in history.entries:
            if entry.state == "running" and entry.ended_at is None:
                age = history.service_time - entry.started_at if entry.started_at else timedelta(0)
                if age < LONGEST_REFRESH:
                    pause = self.policy.look_again_s(max(0.0, age.total_seconds()))
                    return Wait(pause, f"refresh {entry.identity} runs already; ours starts after it")
        enhanced = self._is_enhanced()
        self.client.tokens.token()  # now, so that nothing slow lies between the reservation and the start
        reserved = self.store.reserve(
            request_id,
            self.policy.daily_budget,
            self.policy.lease_s,
            [entry.identity for entry in history.entries],
            history.service_time,
        )
        if reserved is None or isinstance(reserved, BudgetSpent):
            return None
        return self._post(request_id, reserved.refresh_id, enhanced)

    def _post(self, request_id: int, refresh_id: int, enhanced: bool) -> Wait | None:
        try:
            accepted = self.client.start_refresh(self.dataset_id, enhanced, self.policy.service_timeout)
        except (NotSent, Throttled) as error:
            self.store.release(refresh_id)
            raise error from None
        except Unavailable as error:
            self.store.in_doubt(refresh_id, enhanced)
            return Wait(self.policy.first_poll_s, f"{error} It may have been started")
        except Refused as refused:
            if enhanced and self.policy.refresh_type == "auto" and refused.status == 400 and not _busy(refused):
                log.warning("no enhanced refresh of dataset %s, trying a standard one: %s", self.dataset_id, refused)
                self._enhanced = False
                return self._post(request_id, refresh_id, False)
            self.store.release(refresh_id)
            return self._refused(request_id, refused)
        except PowerBiError:
            self.store.release(refresh_id)  # no token: nothing was sent
            raise
        self.store.accepted(refresh_id, accepted.ids, enhanced)
        log.info(
            "refresh %d of dataset %s was accepted: %s", refresh_id, self.dataset_id, accepted.ids or "without an id"
        )
        return None

    def _refused(self, request_id: int, refused: Refused) -> Wait | None:
        if _busy(refused) or (refused.status == 400 and self._runs_now()):
            return Wait(min(5.0, self.policy.poll_s), "another refresh runs already; ours starts after it")
        if isinstance(refused, (AccessDenied, NotFound)):
            self.store.close_request(request_id, "refused", str(refused))
            raise refused
        state = "budget_spent" if _SERVICE_LIMIT.search(f"{refused.code} {refused.text}") else "refused"
        self.store.close_request(request_id, state, str(refused))
        return None

    def _runs_now(self) -> bool:
        entries = self.client.refresh_history(self.dataset_id).entries
        return any(entry.state == "running" and entry.ended_at is None for entry in entries)

    def _is_enhanced(self) -> bool:
        """Enhanced refreshes need dedicated capacity; asked once."""
        if self._enhanced is None:
            try:
                self._enhanced = self.client.workspace().dedicated_capacity
            except Refused as error:
                log.warning("the kind of capacity is not known, refreshes are standard ones: %s", error)
                self._enhanced = False
        return self._enhanced


def _busy(refused: Refused) -> bool:
    return refused.status == 409 or bool(_BUSY.search(f"{refused.code} {refused.text}"))
