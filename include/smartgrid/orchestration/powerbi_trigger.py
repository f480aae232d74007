"""Waits for a refresh inside the triggerer: no worker slot is held, and another triggerer can take over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from smartgrid.errors import SmartGridError
from smartgrid.orchestration.powerbi_hook import PowerBIHook

# Airflow gives `on_kill` half a minute.
LAST_STEP_S, LAST_WAIT_S = 12.0, 10.0


class PowerBIRefreshTrigger(BaseTrigger):
    """Takes the steps of one request until it has its end; the whole state is in the results store.

    Each step runs in a thread of its own, so that a slow answer of the service holds up no other trigger.
    """

    def __init__(
        self, request_id: int, dataset_id: str, powerbi_conn_id: str, overrides: dict[str, Any], url: str
    ) -> None:
        super().__init__()
        self.request_id, self.dataset_id = request_id, dataset_id
        self.powerbi_conn_id, self.overrides = powerbi_conn_id, overrides
        self.url = url
        self._waiting: Any = None
        self._step: asyncio.Future[Any] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "smartgrid.orchestration.powerbi_trigger.PowerBIRefreshTrigger",
            {
                "request_id": self.request_id,
                "dataset_id": self.dataset_id,
                "powerbi_conn_id": self.powerbi_conn_id,
                "overrides": self.overrides,
                "url": self.url,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from smartgrid.powerbi.refresh_flow import Outcome

        # In the event, not in the task's arguments: a run under `dag.test()` hands on the event alone.
        known = {"request_id": self.request_id, "url": self.url}
        try:
            while True:
                step = await self._advance()
                if isinstance(step, Outcome):
                    yield TriggerEvent(known | {"outcome": asdict(step)})
                    return
                await asyncio.sleep(step.seconds)
        except SmartGridError as error:
            yield TriggerEvent(known | {"error": f"{type(error).__name__}: {error}", "exit_code": error.exit_code})

    async def on_kill(self) -> None:
        """The task was cleared or marked: the refresh is cancelled, unless others wait for it."""
        if self._step is not None and not self._step.done():
            # The step's thread goes on; it may be starting the refresh at this moment.
            await asyncio.wait({self._step}, timeout=LAST_STEP_S)
        self.log.info("Task was cleared or marked: %s", await asyncio.to_thread(self._cancel))

    async def _advance(self) -> Any:
        if self._waiting is None:
            connection = await PowerBIHook(self.powerbi_conn_id).async_overrides()
            self._waiting = await asyncio.to_thread(self._prepare, connection | self.overrides)
        self._step = asyncio.ensure_future(asyncio.to_thread(self._waiting.advance))
        return await asyncio.shield(self._step)

    def _prepare(self, overrides: dict[str, Any]) -> Any:
        from smartgrid.powerbi.refresh import flow_for
        from smartgrid.powerbi.refresh_wait import RefreshWait

        return RefreshWait(flow_for(self.dataset_id, overrides), self.request_id)

    def _cancel(self) -> str:
        import time

        if self._waiting is None:
            return "nothing was started yet"
        flow = self._waiting.flow
        done = "cancelling failed"
        try:
            done = flow.cancel(self.request_id)
            deadline = time.monotonic() + LAST_WAIT_S
            while (refresh := flow.serving(self.request_id)) is not None and refresh.cancel_asked_at is not None:
                if time.monotonic() > deadline:
                    break
                flow.step(self.request_id, may_start=False)
                time.sleep(0.5)
        except SmartGridError as error:
            done = f"{done}: {error}"
        finally:
            flow.store.close_request(self.request_id, "withdrawn", done)
            flow.store.delivered(self.request_id)
        return str(done)
