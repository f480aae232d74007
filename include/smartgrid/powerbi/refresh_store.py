"""Requests and starts of refreshes of one dataset, in the results store. Every decision is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.powerbi.refresh_events import budget_spent, not_started, refresh_ended
from smartgrid.store import session
from smartgrid.store.events import record_event
from smartgrid.store.powerbi_tables import PowerBiDataset, PowerBiRefresh, PowerBiRequest

LIVE = ("reserved", "in_doubt", "running")
# Any 24 hours, not a calendar day: nobody says in which time zone the service's day begins.
BUDGET_WINDOW = timedelta(hours=24)
# A refresh runs at most so long, its retries included.
LONGEST_REFRESH = timedelta(hours=24)


@dataclass(frozen=True)
class BudgetSpent:
    """No refresh may be started before `free_at`."""

    budget: int
    free_at: datetime


class RefreshStore:
    """The rows of one dataset. Ids are compared in lower case: an id written differently has no budget of its own."""

    def __init__(self, workspace_id: str, dataset_id: str) -> None:
        self.workspace_id, self.dataset_id = workspace_id.lower(), dataset_id.lower()

    def open_request(self, key: str | None, requested_by: str) -> int:
        """A new request, or the one that `key` still names (after a crash of whoever made it)."""
        with self._deciding() as transaction:
            if key is not None:
                kept = transaction.scalar(
                    select(PowerBiRequest.request_id)
                    .where(PowerBiRequest.request_key == key, PowerBiRequest.dataset_id == self.dataset_id)
                    .order_by(PowerBiRequest.request_id.desc())
                    .limit(1)
                )
                if kept is not None:
                    return kept
            row = PowerBiRequest(
                workspace_id=self.workspace_id,
                dataset_id=self.dataset_id,
                request_key=key,
                requested_at=wall_clock(),
                requested_by=requested_by,
            )
            transaction.add(row)
            transaction.flush()
            return row.request_id

    def request(self, request_id: int) -> PowerBiRequest:
        with session() as transaction:
            return transaction.get_one(PowerBiRequest, request_id)

    def delivered(self, request_id: int) -> None:
        """Its maker knows the end: the same key means a new request from now on."""
        with session() as transaction:
            transaction.execute(
                update(PowerBiRequest).where(PowerBiRequest.request_id == request_id).values(request_key=None)
            )

    def close_request(self, request_id: int, state: str, detail: str) -> None:
        """End an open request that no refresh served; people hear of it unless its own maker withdrew it."""
        with self._deciding() as transaction:
            if self._close_request(transaction, request_id, state, detail) and state != "withdrawn":
                record_event(transaction, not_started(self.workspace_id, self.dataset_id, state, detail))

    def quiet_left_s(self, coalesce_s: float) -> float:
        """Seconds until no request came for `coalesce_s`. The oldest waits at most twelve times as long."""
        with session() as transaction:
            oldest, newest = transaction.execute(
                select(func.min(PowerBiRequest.requested_at), func.max(PowerBiRequest.requested_at)).where(
                    *self._own(PowerBiRequest), PowerBiRequest.state == "open"
                )
            ).one()
        if newest is None:
            return 0.0
        now = wall_clock()
        waited_s, quiet_s = (now - oldest).total_seconds(), (now - newest).total_seconds()
        return max(0.0, min(coalesce_s - quiet_s, 12 * coalesce_s - waited_s))

    def refresh(self, refresh_id: int) -> PowerBiRefresh:
        with session() as transaction:
            return transaction.get_one(PowerBiRefresh, refresh_id)

    def live(self) -> PowerBiRefresh | None:
        """The refresh of ours that has no end yet; there is at most one."""
        with session() as transaction:
            return self._live(transaction)

    def reserve(
        self, request_id: int, budget: int, lease_s: float, known_before: Sequence[str], service_time: datetime
    ) -> PowerBiRefresh | BudgetSpent | None:
        """Take one of the budget, before the service is asked. None: another process was quicker, or it is served."""
        with self._deciding() as transaction:
            if self._live(transaction) is not None:
                return None
            if transaction.get_one(PowerBiRequest, request_id).state != "open":
                return None
            now = wall_clock()
            spent = list(
                transaction.scalars(
                    select(PowerBiRefresh.reserved_at)
                    .where(*self._own(PowerBiRefresh), PowerBiRefresh.reserved_at > now - BUDGET_WINDOW)
                    .order_by(PowerBiRefresh.reserved_at.desc())
                )
            )
            if len(spent) >= budget:
                free_at = (spent[budget - 1] if budget else now) + BUDGET_WINDOW
                self._close_request(
                    transaction,
                    request_id,
                    "budget_spent",
                    f"{len(spent)} refreshes were started in the last 24 hours, the budget is {budget}; "
                    f"the next may start at {free_at:%Y-%m-%d %H:%M} UTC.",
                )
                record_event(transaction, budget_spent(self.dataset_id, budget, free_at))
                return BudgetSpent(budget, free_at)
            newest = transaction.scalar(select(func.max(PowerBiRequest.request_id)).where(*self._own(PowerBiRequest)))
            row = PowerBiRefresh(
                workspace_id=self.workspace_id,
                dataset_id=self.dataset_id,
                reserved_at=now,
                lease_until=now + timedelta(seconds=lease_s),
                covers_request_id=newest or request_id,
                state="reserved",
                known_before=list(known_before),
                service_time=service_time,
            )
            transaction.add(row)
            transaction.flush()
            return row

    def release(self, refresh_id: int) -> None:
        """The service did not start it: what it cost is given back."""
        with self._deciding() as transaction:
            transaction.execute(
                delete(PowerBiRefresh).where(
                    PowerBiRefresh.refresh_id == refresh_id, PowerBiRefresh.state == "reserved"
                )
            )

    def accepted(self, refresh_id: int, service_ids: Sequence[str], enhanced: bool) -> None:
        self._change(refresh_id, state="running", service_ids=list(service_ids), enhanced=enhanced)

    def in_doubt(self, refresh_id: int, enhanced: bool) -> None:
        """Nobody knows whether the service started it; it counts until that is known, and after."""
        self._change(refresh_id, state="in_doubt", enhanced=enhanced)

    def seen(self, refresh_id: int, identity: str) -> None:
        """The service lists it, under `identity`."""
        with self._deciding() as transaction:
            row = transaction.get_one(PowerBiRefresh, refresh_id)
            if row.state in LIVE:
                row.state, row.seen_at = "running", row.seen_at or wall_clock()
                row.service_ids = [identity, *(one for one in row.service_ids if one != identity)]

    def cancel_asked(self, refresh_id: int) -> None:
        self._change(refresh_id, cancel_asked_at=wall_clock())

    def claimed(self, but: int) -> set[str]:
        """What belongs to our other refreshes, so that none is taken for this one."""
        with session() as transaction:
            rows = transaction.scalars(
                select(PowerBiRefresh.service_ids).where(
                    *self._own(PowerBiRefresh),
                    PowerBiRefresh.refresh_id != but,
                    PowerBiRefresh.reserved_at > wall_clock() - 2 * LONGEST_REFRESH,
                )
            )
            return {str(one) for row in rows for one in row}

    def lost_for(self, request_id: int) -> int:
        """How many starts for this request were never seen at the service."""
        with session() as transaction:
            return (
                transaction.scalar(
                    select(func.count()).where(
                        *self._own(PowerBiRefresh),
                        PowerBiRefresh.state == "lost",
                        PowerBiRefresh.covers_request_id >= request_id,
                    )
                )
                or 0
            )

    def others_waiting(self, refresh: PowerBiRefresh, request_id: int) -> bool:
        """Whether somebody else's request is served by this refresh."""
        with session() as transaction:
            return bool(
                transaction.scalar(
                    select(func.count()).where(
                        *self._own(PowerBiRequest),
                        PowerBiRequest.state == "open",
                        PowerBiRequest.request_id <= refresh.covers_request_id,
                        PowerBiRequest.request_id != request_id,
                    )
                )
            )

    def finish(self, refresh_id: int, state: str, detail: str, ended_at: datetime | None) -> None:
        """The end of a refresh, of every request that it served, and the event that tells of it."""
        with self._deciding() as transaction:
            row = transaction.get_one(PowerBiRefresh, refresh_id)
            if row.state not in LIVE:
                return  # another process saw the end first
            row.state, row.detail, row.ended_at = state, detail, ended_at or wall_clock()
            if state == "lost":
                return  # no refresh: the requests stay open
            transaction.execute(
                update(PowerBiRequest)
                .where(
                    *self._own(PowerBiRequest),
                    PowerBiRequest.state == "open",
                    PowerBiRequest.request_id <= row.covers_request_id,
                )
                .values(state=state, detail=detail, refresh_id=refresh_id, closed_at=wall_clock())
            )
            dataset = transaction.get_one(PowerBiDataset, (self.workspace_id, self.dataset_id))
            event = refresh_ended(row, dataset.last_state)
            dataset.last_state = state
            if event is not None:
                record_event(transaction, event)

    def _change(self, refresh_id: int, **values: object) -> None:
        with self._deciding() as transaction:
            transaction.execute(
                update(PowerBiRefresh)
                .where(PowerBiRefresh.refresh_id == refresh_id, PowerBiRefresh.state.in_(LIVE))
                .values(**values)
            )

    def _close_request(self, transaction: Session, request_id: int, state: str, detail: str) -> bool:
        """False: it was closed before."""
        row = transaction.get_one(PowerBiRequest, request_id)
        if row.state != "open":
            return False
        row.state, row.detail, row.closed_at = state, detail, wall_clock()
        return True

    def _live(self, transaction: Session) -> PowerBiRefresh | None:
        return transaction.scalar(
            select(PowerBiRefresh)
            .where(*self._own(PowerBiRefresh), PowerBiRefresh.state.in_(LIVE))
            .order_by(PowerBiRefresh.refresh_id.desc())
            .limit(1)
        )

    def _own(self, table: type[PowerBiRequest] | type[PowerBiRefresh]) -> tuple[ColumnElement[bool], ...]:
        return (table.workspace_id == self.workspace_id, table.dataset_id == self.dataset_id)

    @contextmanager
    def _deciding(self) -> Iterator[Session]:
        """A transaction that nobody else decides beside: it writes the dataset's row before it reads anything."""
        with session() as transaction:
            values = {"workspace_id": self.workspace_id, "dataset_id": self.dataset_id, "decided_at": wall_clock()}
            insert = postgresql.insert if transaction.get_bind().dialect.name == "postgresql" else sqlite.insert
            transaction.execute(
                insert(PowerBiDataset)
                .values(**values)
                .on_conflict_do_update(
                    index_elements=["workspace_id", "dataset_id"], set_={"decided_at": values["decided_at"]}
                )
            )
            yield transaction
