"""A refresh ends with what really happened to it, whatever the service does on the way.

`world.service.started` is the truth: every refresh that really began.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from powerbi_fake import DATASET, WORKSPACE, Ending
from powerbi_world import World
from sqlalchemy import select, update

from smartgrid.clock import wall_clock
from smartgrid.powerbi.errors import AccessDenied, NotFound, RefreshStillOpen, SignInRefused, Unavailable
from smartgrid.powerbi.refresh_flow import Outcome, RefreshFlow
from smartgrid.powerbi.refresh_wait import wait_for
from smartgrid.store import session
from smartgrid.store.events import EventRow
from smartgrid.store.powerbi_tables import PowerBiRefresh

REFRESHES = f"/groups/{WORKSPACE}/datasets/{DATASET}/refreshes"
EXCEPTION = {
    "errorCode": "ModelRefreshFailed_CredentialsNotSpecified",
    "message": "credentials of the gateway are gone",
}


def refresh(world: World, flow: RefreshFlow | None = None, key: str | None = None) -> Outcome:
    flow = flow or world.flow()
    return wait_for(flow, flow.store.open_request(key, "test"))


def events() -> list[EventRow]:
    with session() as transaction:
        return list(transaction.scalars(select(EventRow).order_by(EventRow.event_id)))


def states() -> list[str]:
    with session() as transaction:
        return list(transaction.scalars(select(PowerBiRefresh.state).order_by(PowerBiRefresh.refresh_id)))


@pytest.mark.parametrize("dedicated", [True, False], ids=["enhanced", "standard"])
def test_refresh_is_of_the_kind_that_the_capacity_allows(world: World, dedicated: bool) -> None:
    world.service.dedicated = dedicated
    assert refresh(world).completed
    assert [one.refresh_type for one in world.service.started] == ["ViaEnhancedApi" if dedicated else "ViaApi"]
    (body,) = [body for path, body in world.service.bodies if path == REFRESHES and body]
    assert ("notifyOption" in body) is not dedicated
    assert events() == []


def test_enhanced_refresh_that_the_service_refuses_is_tried_as_a_standard_one(world: World) -> None:
    world.service.fault("POST", "/refreshes$", status=400, body={"error": {"code": "InvalidRequest", "message": "no"}})
    assert refresh(world).completed
    assert [one.refresh_type for one in world.service.started] == ["ViaApi"]


@pytest.mark.parametrize("lag_s", [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
@pytest.mark.parametrize(
    ("ids", "history_has_ids"),
    [("header", True), ("none", True), ("none", False), ("foreign", True), ("foreign", False)],
)
@pytest.mark.parametrize("earlier", ["Completed", "Failed"])
def test_standard_refresh_is_not_mistaken_for_the_one_before(
    world: World, lag_s: float, ids: str, history_has_ids: bool, earlier: str
) -> None:
    """Neither by a late history nor by an id that is missing or names something else."""
    service = world.service
    service.dedicated, service.ids, service.history_has_ids = False, ids, history_has_ids
    service.begin("ViaApi", Ending(earlier, after_s=0.0, exception=EXCEPTION))
    service.begin("Scheduled", Ending(earlier, after_s=0.0))
    time.sleep(0.01)
    service.listed_after_s = lag_s
    wanted = "Failed" if earlier == "Completed" else "Completed"
    service.ends(Ending(wanted, after_s=0.1, exception={"errorCode": "Ours"}))
    outcome = refresh(world)
    assert outcome.state == wanted.lower()
    assert outcome.detail == ("Ours" if wanted == "Failed" else "")
    assert len(service.ours()) == 2


def test_enhanced_refresh_that_is_listed_late_is_waited_for(world: World) -> None:
    world.service.listed_after_s = 0.5
    world.service.ends(Ending("Completed", after_s=0.1))
    assert refresh(world).completed
    assert states() == ["completed"]


def test_refresh_of_a_service_with_a_wrong_clock_is_found(world: World) -> None:
    service = world.service
    service.dedicated, service.ids, service.history_has_ids, service.start_skew_s = False, "none", False, -600.0
    assert refresh(world).completed


@pytest.mark.parametrize("dedicated", [True, False], ids=["enhanced", "standard"])
def test_failure_text_of_the_service_reaches_outcome_and_event(world: World, dedicated: bool) -> None:
    world.service.dedicated = dedicated
    world.service.ends(Ending("Failed", exception=EXCEPTION))
    outcome = refresh(world)
    assert outcome.state == "failed"
    assert "credentials of the gateway are gone" in outcome.detail
    (event,) = events()
    assert (event.kind, event.severity, event.resolves) == ("powerbi_refresh_failed", "high", False)
    assert "credentials of the gateway are gone" in event.text
    assert event.data["dataset_id"] == DATASET

    assert refresh(world).completed
    after = events()[-1]
    assert (after.resolves, after.dedupe_key) == (True, event.dedupe_key)


def test_disabled_refresh_is_told_as_disabled(world: World) -> None:
    world.service.dedicated = False
    world.service.ends(Ending("Disabled"))
    assert refresh(world).state == "disabled"


def test_refresh_that_the_service_timed_out_is_told_so(world: World) -> None:
    world.service.ends(Ending("Failed", extended="TimedOut"))
    assert refresh(world).state == "timed_out"


def test_refresh_that_somebody_cancels_is_told_as_cancelled(world: World) -> None:
    world.service.ends(Ending(after_s=30))
    flow = world.flow()
    threading.Timer(0.4, lambda: world.service._cancel(world.service.started[0].refresh_id)).start()
    assert refresh(world, flow).state == "cancelled"
    assert [event.severity for event in events()] == ["high"]


def test_completed_is_not_believed_while_the_details_still_run(world: World) -> None:
    world.service.ends(Ending(after_s=0.5))
    lie = {"status": "Completed", "extendedStatus": "InProgress", "type": "Full"}
    world.service.fault("GET", "/refreshes/", status=200, body=lie, times=3)
    refresh(world)
    assert time.time() >= world.service.started[0].ends_at()


def test_unknown_words_for_a_state_are_not_taken_for_an_end(world: World) -> None:
    world.service.fault("GET", "/refreshes/", status=200, body={"status": "Paused", "type": "Full"}, times=3)
    world.service.ends(Ending("Failed", after_s=0.5))
    assert refresh(world).state == "failed"


def test_throttled_requests_are_repeated_when_the_service_says_so(world: World) -> None:
    service = world.service
    service.fault("POST", "/refreshes$", status=429, headers={"Retry-After": "1"}, times=2)
    service.fault("GET", "/refreshes/", status=429, headers={"Retry-After": "0"}, times=3)
    world.set(daily_budget=1)
    began = time.monotonic()
    assert refresh(world).completed
    assert time.monotonic() - began >= 2
    assert len(service.started) == 1
    assert states() == ["completed"]


def test_garbage_instead_of_answers_changes_nothing(world: World) -> None:
    service = world.service
    service.ends(Ending(after_s=0.3))
    service.fault("GET", "/refreshes$", status=200, body=b"<html>gateway</html>", headers={"Content-Type": "text/html"})
    service.fault("GET", "/refreshes$", status=200, body={"odata.context": "x"})
    service.fault("GET", "/refreshes/", status=200, body=[1, 2])
    service.fault("GET", "/refreshes/", status=500)
    service.fault("GET", "/refreshes/", drop=True)
    assert refresh(world).completed
    assert len(service.started) == 1


def test_service_that_is_down_for_long_is_outlived(world: World) -> None:
    """Two minutes of a refresh, at the scale of these tests."""
    world.service.ends(Ending("Failed", after_s=0.4, exception=EXCEPTION))
    flow = world.flow()
    request = flow.store.open_request(None, "test")
    while not world.service.started:
        flow.step(request)
    world.service.go_down(3.0)
    assert wait_for(flow, request).state == "failed"
    assert len(world.service.started) == 1


def test_service_that_stays_down_ends_as_retryable_and_is_taken_up_again(world: World) -> None:
    world.set(outage_s=0.3)
    world.service.ends(Ending(after_s=0.2))
    flow = world.flow()
    request = flow.store.open_request("run-1", "test")
    while not world.service.started:
        flow.step(request)
    world.service.go_down(1.5)
    with pytest.raises(Unavailable) as caught:
        wait_for(flow, request)
    assert caught.value.exit_code == 1
    time.sleep(1.6)
    assert refresh(world, key="run-1").completed
    assert len(world.service.started) == 1


def test_token_that_expires_while_waiting_is_renewed(world: World) -> None:
    service = world.service
    service.ends(Ending(after_s=0.8))
    threading.Timer(0.5, lambda: service.revoked.update(world.entra.issued)).start()
    assert refresh(world).completed
    assert service.revoked & service.tokens_seen
    assert len(service.started) == 1


def test_sign_in_service_in_trouble_is_waited_for(world: World) -> None:
    flow = world.flow()
    flow.client.tokens.renew()
    world.entra.faults += [(503, {"error": "busy"}), (200, {"error": "temporarily_unavailable"})]
    assert refresh(world, flow).completed


def test_refresh_that_runs_already_is_waited_for_then_ours_starts(world: World) -> None:
    for dedicated in (True, False):
        world.service.dedicated = dedicated
        running = world.service.begin("Scheduled", Ending(after_s=0.4))
        assert refresh(world).completed
        assert world.service.started[-1].started >= running.ends_at()


def test_running_refresh_that_the_history_does_not_show_yet_is_waited_for(world: World) -> None:
    service = world.service
    service.dedicated, service.listed_after_s = False, 0.3
    world.set(daily_budget=1)
    running = service.begin("OnDemand", Ending(after_s=0.6))
    assert refresh(world).completed
    (ours,) = service.ours()
    assert ours.started >= running.ends_at()


def test_spent_budget_starts_nothing_and_says_when_the_next_may(world: World) -> None:
    world.set(daily_budget=2)
    assert [refresh(world).state for _ in range(4)] == ["completed", "completed", "budget_spent", "budget_spent"]
    assert len(world.service.started) == 2
    assert {event.kind for event in events()} == {"powerbi_budget_spent"}
    assert "may start at" in refresh(world).detail


def test_budget_is_counted_over_any_24_hours(world: World) -> None:
    world.set(daily_budget=1)
    assert refresh(world).completed
    with session() as transaction:
        transaction.execute(update(PowerBiRefresh).values(reserved_at=wall_clock() - timedelta(hours=23, minutes=59)))
    assert refresh(world).state == "budget_spent"
    with session() as transaction:
        transaction.execute(update(PowerBiRefresh).values(reserved_at=wall_clock() - timedelta(hours=24, minutes=1)))
    assert refresh(world).completed


def test_dataset_written_in_capitals_has_the_same_budget(world: World) -> None:
    world.set(daily_budget=1)
    assert refresh(world).completed
    assert refresh(world, world.flow(DATASET.upper())).state == "budget_spent"


def test_limit_of_the_service_itself_is_told_as_spent_budget(world: World) -> None:
    world.service.dedicated, world.service.daily_limit = False, 1
    assert refresh(world).completed
    assert refresh(world).state == "budget_spent"


@pytest.mark.parametrize("drop", [True, False], ids=["connection lost", "http 504"])
def test_start_whose_answer_is_lost_is_found_again_and_not_repeated(world: World, drop: bool) -> None:
    service = world.service
    service.listed_after_s = 0.3
    service.ends(Ending("Failed", after_s=0.5, exception=EXCEPTION))
    service.fault("POST", "/refreshes$", status=504, drop=drop, acts=True)
    outcome = refresh(world)
    assert outcome.state == "failed"
    assert len(service.started) == 1


def test_start_that_was_never_heard_of_counts_and_is_repeated(world: World) -> None:
    world.set(daily_budget=2)
    world.service.fault("POST", "/refreshes$", status=502, times=1)
    assert refresh(world).completed
    assert states() == ["lost", "completed"]
    assert refresh(world).state == "budget_spent"
    assert len(world.service.started) == 1


def test_starts_of_unknown_outcome_never_exceed_the_budget(world: World) -> None:
    world.set(daily_budget=2)
    world.service.listed_after_s = 3600  # and the history never tells
    world.service.fault("POST", "/refreshes$", drop=True, acts=True, times=9)
    world.service.endings += [Ending(after_s=0.0)] * 9
    assert refresh(world).state == "budget_spent"
    assert len(world.service.started) == 2


def test_accepted_refresh_that_is_never_listed_ends_as_unknown(world: World) -> None:
    world.service.listed_after_s = 3600
    outcome = refresh(world)
    assert outcome.state == "unknown"
    assert len(world.service.started) == 1


def test_process_that_dies_between_reservation_and_start_costs_one_and_blocks_nobody(world: World) -> None:
    world.set(daily_budget=2)
    flow = world.flow()
    request = flow.store.open_request("run-1", "test")
    flow.store.reserve(request, 2, 0.2, [], wall_clock())
    assert refresh(world, key="run-1").completed
    assert states() == ["lost", "completed"]
    assert len(world.service.started) == 1
    assert refresh(world).state == "budget_spent"


def test_process_that_dies_after_the_start_is_taken_over(world: World) -> None:
    """The start was answered, but whoever asked died before writing it down."""
    world.service.ends(Ending("Failed", after_s=0.5, exception=EXCEPTION))
    flow = world.flow()
    request = flow.store.open_request("run-1", "test")
    flow.store.reserve(request, 8, 60, [], wall_clock())
    flow.client.start_refresh(DATASET, enhanced=True)
    assert refresh(world, key="run-1").state == "failed"
    assert len(world.service.started) == 1


def test_ten_pipeline_ends_make_one_refresh_that_starts_after_the_last(world: World) -> None:
    world.set(coalesce_s=0.6)
    outcomes: list[Outcome] = []
    asked: list[float] = []

    def pipeline_end() -> None:
        flow = world.flow()
        request = flow.store.open_request(None, "test")
        asked.append(time.time())
        outcomes.append(wait_for(flow, request))

    in_threads([pipeline_end] * 10, pause_s=0.05)
    assert [outcome.state for outcome in outcomes] == ["completed"] * 10
    (only,) = world.service.started
    assert only.started >= max(asked)


def test_request_that_comes_during_a_refresh_gets_one_of_its_own(world: World) -> None:
    world.service.ends(Ending(after_s=1.5), Ending("Failed"))
    outcomes: dict[int, str] = {}

    def end(number: int) -> None:
        while number > 1 and not world.service.started:
            time.sleep(0.01)
        outcomes[number] = refresh(world).state

    world.set(coalesce_s=0.1)
    in_threads([lambda: end(1), lambda: end(2), lambda: end(3)], pause_s=0.0)
    assert outcomes[1] == "completed"
    assert len(world.service.started) == 2
    assert (outcomes[2], outcomes[3]) == ("failed", "failed")


def test_two_runs_at_once_share_the_last_of_the_budget(world: World) -> None:
    world.set(daily_budget=1)
    outcomes: list[str] = []
    in_threads([lambda: outcomes.append(refresh(world).state)] * 4, pause_s=0.0)
    assert len(world.service.started) == 1
    assert set(outcomes) <= {"completed", "budget_spent"}
    assert "completed" in outcomes


def test_refresh_that_takes_too_long_is_cancelled_and_told_so(world: World) -> None:
    world.set(refresh_timeout_s=0.8)
    world.service.ends(Ending(after_s=30))
    assert refresh(world).state == "cancelled"
    assert world.service.started[0].cancelled_at is not None
    assert [event.severity for event in events()] == ["low"]


def test_standard_refresh_that_takes_too_long_goes_on_and_is_followed_later(world: World) -> None:
    world.service.dedicated = False
    world.set(refresh_timeout_s=0.8)
    world.service.ends(Ending("Failed", after_s=2))
    with pytest.raises(RefreshStillOpen) as caught:
        refresh(world)
    assert caught.value.exit_code == 1
    world.set(refresh_timeout_s=20)
    assert refresh(world).completed  # a new one, after the end of the first
    assert states() == ["failed", "completed"]


def test_cancelling_spares_a_refresh_that_serves_others_too(world: World) -> None:
    world.service.ends(Ending(after_s=0.8))
    flow = world.flow()
    mine, other = flow.store.open_request(None, "me"), flow.store.open_request(None, "other")
    while not world.service.started:
        flow.step(mine)
    assert "others" in flow.cancel(mine)
    flow.store.close_request(mine, "withdrawn", "")
    assert wait_for(flow, other).completed
    flow.cancel(other)
    assert world.service.started[0].cancelled_at is None


def test_missing_rights_end_at_once_and_give_the_budget_back(world: World) -> None:
    world.set(daily_budget=1)
    world.service.fault("POST", "/refreshes$", status=403, body={"error": {"code": "PowerBINotAuthorizedException"}})
    with pytest.raises(AccessDenied) as caught:
        refresh(world)
    assert caught.value.exit_code == 2
    assert "PowerBINotAuthorizedException" in str(caught.value)
    assert refresh(world).completed


def test_refusals_while_a_refresh_runs_are_bridged_for_a_while(world: World) -> None:
    world.service.ends(Ending(after_s=0.3))
    world.service.fault("GET", "/refreshes", status=403, times=3)
    flow = world.flow()
    request = flow.store.open_request(None, "test")
    world.service.faults.clear()
    while not world.service.started:
        flow.step(request)
    world.service.fault("GET", "/refreshes", status=403, times=3)
    assert wait_for(flow, request).completed


def test_unknown_dataset_ends_at_once(world: World) -> None:
    world.service.fault("GET", "/refreshes$", status=404, body={"error": {"code": "PowerBIEntityNotFound"}})
    with pytest.raises(NotFound):
        refresh(world)


def test_refused_credentials_are_a_matter_of_settings(world: World) -> None:
    world.set(client_secret="wrong")
    with pytest.raises(SignInRefused) as caught:
        refresh(world, world.flow())
    assert caught.value.exit_code == 2
    assert "wrong" not in str(caught.value)


def test_request_named_by_a_key_is_kept_until_its_end_is_delivered(world: World) -> None:
    flow = world.flow()
    request = flow.store.open_request("run-1", "test")
    assert wait_for(flow, request).completed
    assert flow.store.open_request("run-1", "test") == request
    flow.store.delivered(request)
    assert flow.store.open_request("run-1", "test") != request


def in_threads(jobs: list[Callable[[], object]], pause_s: float) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
        time.sleep(pause_s)
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
