"""The trigger: another triggerer can take over, and a cleared task cancels its refresh."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest
from powerbi_fake import DATASET, Ending
from powerbi_world import World

from smartgrid.orchestration.powerbi_trigger import PowerBIRefreshTrigger


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """No supervisor answers for connections in these tests."""

    async def nothing(_hook: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr("smartgrid.orchestration.powerbi_hook.PowerBIHook.async_overrides", nothing)


def a_trigger(world: World, key: str = "run-1") -> PowerBIRefreshTrigger:
    request = world.flow().store.open_request(key, "test")
    return PowerBIRefreshTrigger(request, DATASET, "powerbi_default", {}, "https://x")


async def first_event(trigger: PowerBIRefreshTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError("no event")


async def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_trigger_survives_the_way_through_the_database(world: World) -> None:
    from airflow.sdk.module_loading import import_string

    path, arguments = a_trigger(world).serialize()
    assert import_string(path)(**arguments).serialize() == (path, arguments)


def test_killing_the_triggerer_changes_nothing(world: World) -> None:
    """Killed while it waits, and killed again: the last one tells the end of the one refresh."""
    world.service.ends(Ending("Failed", after_s=1.2, exception={"errorCode": "Late"}))
    request = a_trigger(world).request_id

    async def story() -> dict[str, Any]:
        for _ in range(2):
            killed = asyncio.create_task(
                first_event(PowerBIRefreshTrigger(request, DATASET, "powerbi_default", {}, "https://x"))
            )
            await until(lambda: world.service.started)
            await asyncio.sleep(0.2)
            killed.cancel()  # as a triggerer that is stopped does; `on_kill` is not called
            await asyncio.gather(killed, return_exceptions=True)
        return await first_event(PowerBIRefreshTrigger(request, DATASET, "powerbi_default", {}, "https://x"))

    event = asyncio.run(story())
    assert event["outcome"]["state"] == "failed"
    assert "Late" in event["outcome"]["detail"]
    (only,) = world.service.started
    assert only.cancelled_at is None


def test_two_triggerers_with_the_same_request_start_one_refresh(world: World) -> None:
    world.service.ends(Ending(after_s=0.3))
    request = a_trigger(world).request_id

    async def story() -> list[dict[str, Any]]:
        triggers = [PowerBIRefreshTrigger(request, DATASET, "powerbi_default", {}, "https://x") for _ in range(2)]
        return list(await asyncio.gather(*(first_event(trigger) for trigger in triggers)))

    assert [event["outcome"]["state"] for event in asyncio.run(story())] == ["completed", "completed"]
    assert len(world.service.started) == 1


def test_clearing_the_task_cancels_its_refresh(world: World) -> None:
    world.service.ends(Ending(after_s=30))
    trigger = a_trigger(world)

    async def story() -> None:
        waiting = asyncio.create_task(first_event(trigger))
        await until(lambda: world.service.started)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await trigger.on_kill()

    asyncio.run(story())
    assert world.service.started[0].cancelled_at is not None
    store = world.flow().store
    assert store.live() is None  # its true end was seen
    assert store.open_request("run-1", "test") != trigger.request_id


def test_slow_service_does_not_hold_up_the_event_loop(world: World) -> None:
    world.service.fault("GET", "/refreshes$", delay_s=1.0, status=503)
    trigger = a_trigger(world)
    beats: list[float] = []

    async def heartbeat() -> None:
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.02)

    async def story() -> dict[str, Any]:
        beating = asyncio.create_task(heartbeat())
        event = await first_event(trigger)
        beating.cancel()
        return event

    assert asyncio.run(story())["outcome"]["state"] == "completed"
    longest = max(after - before for before, after in itertools.pairwise(beats))
    assert longest < 0.8


def test_error_of_the_service_reaches_the_operator_with_its_exit_code(world: World) -> None:
    world.set(outage_s=0.2)
    trigger = a_trigger(world)
    world.service.go_down(60)
    event = asyncio.run(first_event(trigger))
    assert event["exit_code"] == 1
