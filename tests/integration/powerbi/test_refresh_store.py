"""Requests and reservations in the store: the same on SQLite and PostgreSQL, also for many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.clock import wall_clock
from smartgrid.powerbi.refresh_store import BudgetSpent, RefreshStore
from smartgrid.settings import get_settings
from smartgrid.store import migrate
from smartgrid.store.engine import engine, engine_for


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RefreshStore]:
    dsn = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        dsn = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    monkeypatch.setenv("SMARTGRID_STORE_URL", dsn)
    get_settings.cache_clear()
    migrate()
    yield RefreshStore("workspace", f"dataset-{request.node.name}"[:64])
    engine().dispose()
    engine_for.cache_clear()
    get_settings.cache_clear()


def test_many_at_once_reserve_one(store: RefreshStore) -> None:
    got: list[object] = []

    def try_it() -> None:
        got.append(store.reserve(store.open_request(None, "test"), 3, 60, [], wall_clock()))

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(got) == 8
    assert sum(one is not None for one in got) == 1


def test_reservations_never_exceed_the_budget(store: RefreshStore) -> None:
    for expected in (True, True, False):
        request = store.open_request(None, "test")
        reserved = store.reserve(request, 2, 60, ["x"], wall_clock())
        assert isinstance(reserved, BudgetSpent) is not expected
        if not isinstance(reserved, BudgetSpent):
            assert reserved is not None
            store.accepted(reserved.refresh_id, ["id"], True)
            store.finish(reserved.refresh_id, "completed", "", None)
    assert store.request(request).state == "budget_spent"


def test_released_reservation_costs_nothing(store: RefreshStore) -> None:
    for _ in range(3):
        reserved = store.reserve(store.open_request(None, "test"), 1, 60, [], wall_clock())
        assert reserved is not None
        assert not isinstance(reserved, BudgetSpent)
        store.release(reserved.refresh_id)


def test_refresh_serves_the_requests_before_it_and_no_later_one(store: RefreshStore) -> None:
    first, second = store.open_request(None, "a"), store.open_request(None, "b")
    reserved = store.reserve(first, 3, 60, [], wall_clock())
    assert reserved is not None
    assert not isinstance(reserved, BudgetSpent)
    late = store.open_request(None, "c")
    store.finish(reserved.refresh_id, "failed", "why", None)
    assert [store.request(one).state for one in (first, second, late)] == ["failed", "failed", "open"]
    store.finish(reserved.refresh_id, "completed", "", None)  # the second end of the same refresh changes nothing
    assert store.request(first).state == "failed"
