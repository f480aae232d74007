"""Accepting requests: those that arrive together are committed together, and answered only then.

A commit costs a write to the disk (some milliseconds); one for each request would limit a store to some hundred
requests a second. While one commit runs, the next requests gather; under load they share one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from smartgrid.clock import wall_clock
from smartgrid.notifications import endpoints, subscriptions
from smartgrid.notifications.errors import KeyReused, NotificationError, OutboxFull, StoreUnavailable, UnknownRecipient
from smartgrid.notifications.idempotency import CallerKey, Keyed, answered, claim
from smartgrid.notifications.lanes import ENDPOINT_PREFIX, SUBSCRIPTION_PREFIX
from smartgrid.notifications.model import NewNotification
from smartgrid.notifications.outbox import Row, add_rows, delivery_rows, notification_row
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import Settings

log = logging.getLogger(__name__)

MOST_WAITING = 5000
MOST_IN_A_COMMIT = 500
FULL_RETRY_AFTER_S = 1.0


@dataclass
class Request:
    """What one caller asks for, prepared: rows are made before the transaction, so that it is short."""

    notifications: tuple[NewNotification, ...]
    keyed: Keyed | None
    answer: asyncio.Future[tuple[str, ...]]
    rows: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)

    @property
    def key(self) -> CallerKey | None:
        return None if self.keyed is None else (self.keyed.caller, self.keyed.key)


class Acceptance:
    """One thread that commits what the event loop hands it. `on_accepted` is called after each commit."""

    def __init__(self, settings: Settings, on_accepted: Callable[[], None] = lambda: None) -> None:
        self._settings, self._on_accepted = settings, on_accepted
        self._waiting: deque[Request] = deque()
        self._arrived = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="acceptance", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify()
        self._thread.join(30)

    async def accept(self, notifications: Sequence[NewNotification], keyed: Keyed | None = None) -> tuple[str, ...]:
        """Ids of the notifications; they are in the store when this returns.

        Raises:
            KeyReused, UnknownRecipient, OutboxFull, StoreUnavailable
        """
        request = self._prepared(notifications, keyed)
        with self._arrived:
            if len(self._waiting) >= MOST_WAITING or self._stopping:
                raise OutboxFull(len(self._waiting), FULL_RETRY_AFTER_S)
            self._waiting.append(request)
            self._arrived.notify()
        return await request.answer

    def _prepared(self, notifications: Sequence[NewNotification], keyed: Keyed | None) -> Request:
        now = wall_clock()
        request = Request(tuple(notifications), keyed, asyncio.get_running_loop().create_future())
        for notification in notifications:
            row = notification_row(notification, now)
            request.rows.append(row)
            request.deliveries += delivery_rows(notification, row["notification_id"], now, self._settings)
        if keyed is not None:
            ids = tuple(row["notification_id"] for row in request.rows)
            request.keyed = Keyed(keyed.caller, keyed.key, keyed.body_sha256, ids)
        return request

    def _run(self) -> None:
        while True:
            with self._arrived:
                while not self._waiting:
                    if self._stopping:
                        return
                    self._arrived.wait()
                batch = self._next_batch()
            self._commit(batch)

    def _next_batch(self) -> list[Request]:
        """The oldest waiting requests; a second one with the same key waits for the answer of the first."""
        batch: list[Request] = []
        later: list[Request] = []
        keys: set[CallerKey] = set()
        rows = 0
        while self._waiting and rows < MOST_IN_A_COMMIT:
            request = self._waiting.popleft()
            if request.key is not None and request.key in keys:
                later.append(request)
                continue
            if request.key is not None:
                keys.add(request.key)
            batch.append(request)
            rows += len(request.rows)
        self._waiting.extendleft(reversed(later))
        return batch

    def _commit(self, batch: list[Request]) -> None:
        answers: list[tuple[str, ...] | NotificationError]
        try:
            with write_transaction() as transaction:
                answers = _answers(transaction, batch)
        except SQLAlchemyError as error:
            # Its text holds the parameters of the statement, and with them messages: the class is enough.
            log.warning("the store did not take %d requests: %s", len(batch), type(error).__name__)
            if len(batch) > 1 and error.__class__.__name__ in ("DataError", "IntegrityError", "StatementError"):
                # One of them is to blame: the others must not suffer.
                for request in batch:
                    self._commit([request])
                return
            answers = [StoreUnavailable(type(error).__name__)] * len(batch)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(_resolve, batch, answers)
        self._on_accepted()


def _answers(transaction: Session, batch: list[Request]) -> list[tuple[str, ...] | NotificationError]:
    """Store what is new of a batch; the answer to each request."""
    earlier = answered(transaction, [request.key for request in batch if request.key is not None])
    fresh = [request for request in batch if request.key is None or request.key not in earlier]
    wrong = _unknown_recipients(transaction, fresh)
    good = [request for request in fresh if id(request) not in wrong]
    keyed = [request.keyed for request in good if request.keyed is not None]
    ours = claim(transaction, keyed, wall_clock())
    lost = [key for key in (request.key for request in good) if key is not None and key not in ours]
    earlier |= answered(transaction, lost)
    new = [request for request in good if request.key is None or request.key in ours]
    add_rows(
        transaction,
        [row for request in new for row in request.rows],
        [row for request in new for row in request.deliveries],
    )
    return [_answer(request, earlier, wrong) for request in batch]


def _answer(
    request: Request, earlier: dict[CallerKey, Keyed], wrong: dict[int, UnknownRecipient]
) -> tuple[str, ...] | NotificationError:
    if request.keyed is not None and request.key is not None and request.key in earlier:
        known = earlier[request.key]
        return known.ids if known.body_sha256 == request.keyed.body_sha256 else KeyReused(request.keyed.key)
    if id(request) in wrong:
        return wrong[id(request)]
    return tuple(row["notification_id"] for row in request.rows)


def _unknown_recipients(transaction: Session, requests: list[Request]) -> dict[int, UnknownRecipient]:
    """Requests that name a registered recipient which is not there or is disabled, by the identity of the request."""
    named = {
        target.recipient: request
        for request in requests
        for notification in request.notifications
        for target in notification.targets
        if target.recipient.startswith((ENDPOINT_PREFIX, SUBSCRIPTION_PREFIX))
    }
    if not named:
        return {}
    rows = endpoints.rows_of(transaction, named) | subscriptions.rows_of(transaction, named)
    wrong: dict[int, UnknownRecipient] = {}
    for request in requests:
        for notification in request.notifications:
            for target in notification.targets:
                if target.recipient not in named:
                    continue
                row = rows.get(target.recipient)
                if row is None:
                    wrong[id(request)] = UnknownRecipient(target.recipient, "is not registered")
                elif row.disabled_at is not None:
                    problem = f"is disabled since {row.disabled_at:%Y-%m-%d %H:%M} UTC: {row.disabled_reason}"
                    wrong[id(request)] = UnknownRecipient(target.recipient, problem)
    return wrong


def _resolve(batch: list[Request], answers: list[tuple[str, ...] | NotificationError]) -> None:
    for request, answer in zip(batch, answers, strict=True):
        if request.answer.done():
            continue  # its caller went away
        if isinstance(answer, NotificationError):
            request.answer.set_exception(answer)
        else:
            request.answer.set_result(answer)
