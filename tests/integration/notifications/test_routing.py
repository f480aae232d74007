"""Who hears of what, how often, and that nothing is lost from the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from routing_store import BEGIN, ROUTING, RoutingStore, alert
from sqlalchemy import select

from smartgrid.notifications import silences
from smartgrid.notifications.forgetting import forget_routing
from smartgrid.notifications.incidents import acknowledge
from smartgrid.notifications.matching import Matcher
from smartgrid.notifications.transaction import write_transaction
from smartgrid.store import migrate
from smartgrid.store.engine import engine
from smartgrid.store.events import Event
from smartgrid.store.routing_tables import RoutingDecision


@pytest.fixture
def store(tmp_path: Path, configure: Callable[..., Any]) -> RoutingStore:
    configure()
    migrate()
    return RoutingStore(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_store(
    request: pytest.FixtureRequest, tmp_path: Path, configure: Callable[..., Any]
) -> Iterator[RoutingStore]:
    configure(**({} if request.param == "sqlite" else {"store_url": request.getfixturevalue("postgres_url")}))
    migrate()
    yield RoutingStore(tmp_path)
    engine().dispose()


def test_a_storm_of_10000_events_of_one_substation_makes_at_most_3_messages_and_loses_none(
    either_store: RoutingStore,
) -> None:
    store = either_store
    severities = ("medium", "high", "critical", "medium")
    for batch in range(10):
        store.record(
            *(
                alert(f"F1-{(batch * 1000 + number) % 300:03d}", severities[number % 4], key=f"storm:{batch}:{number}")
                for number in range(1000)
            )
        )
        store.now += timedelta(seconds=6)
        store.tick()
    for _ in range(48):
        store.later(5)
    to_control = [one for one in store.sent if one.targets[0].channel == "webhook" and one.data["status"] == "firing"]
    assert 1 <= len(to_control) <= 3
    told = [number for one in to_control for number in one.event_ids]
    assert sorted(told) == list(range(1, 10_001))
    assert store.outcomes()["waiting"] == 0
    with write_transaction() as transaction:
        recorded = set(transaction.scalars(select(RoutingDecision.event_id)))
    assert recorded == set(range(1, 10_001))


def test_300_feeders_of_one_substation_are_one_message_that_lists_them(store: RoutingStore) -> None:
    [message] = store.tell(*(alert(f"F1-{number:03d}") for number in range(300)))
    assert message.subject == "[high] Substation S1: 300 events in 300 zones"
    for number in range(300):
        assert f"F1-{number:03d}" in message.message
    assert message.data["zones"] == [f"F1-{number:03d}" for number in range(300)]


def test_events_of_two_substations_are_two_messages(store: RoutingStore) -> None:
    messages = store.tell(alert("F1-1"), alert("F2-1"), alert("F1-2"))
    assert sorted(message.data["place"] for message in messages) == ["substation S1", "substation S2"]


def test_an_event_over_substations_is_told_of_their_region(store: RoutingStore) -> None:
    [message] = store.tell(Event("outage", "high", "Outage", zones=("F1-1", "F2-1"), dedupe_key="outage"))
    assert message.data["place"] == "region north"


def test_the_first_message_goes_at_once_and_the_rest_in_a_digest(store: RoutingStore) -> None:
    assert len(store.tell(alert("F1-1"))) == 1
    assert store.tell(alert("F1-2"), alert("F1-3")) == []
    assert store.later(9) == []
    [digest] = store.later(1)
    assert digest.event_ids == (2, 3)
    assert store.tell(alert("F1-4")) == []
    assert store.later(59) == []
    assert [one.event_ids for one in store.later(1)] == [(4,)]


def test_the_same_condition_is_told_once_within_the_window(store: RoutingStore) -> None:
    store.tell(alert("Z1"))
    for _ in range(5):
        store.now += timedelta(minutes=11)
        assert store.tell(alert("Z1")) == []
    assert store.outcomes()["duplicate"] == 5
    store.now += timedelta(minutes=5)
    assert len(store.tell(alert("Z1"))) == 1


def test_a_condition_that_becomes_critical_is_told_again_at_once(store: RoutingStore) -> None:
    store.tell(alert("Z1", "medium"))
    messages = store.tell(alert("Z1", "critical"))
    assert {target.channel for message in messages for target in message.targets} == {"webhook", "sms"}


def test_resolved_is_told_to_those_who_heard_when_the_last_condition_is_over(store: RoutingStore) -> None:
    store.tell(alert("F1-1", "critical"), alert("F1-2"))
    # The duty phone heard of the critical one only.
    [to_duty] = store.tell(alert("F1-1", resolves=True))
    assert (to_duty.data["status"], to_duty.targets[0].channel) == ("resolved", "sms")
    [to_control] = store.tell(alert("F1-2", resolves=True))
    assert (to_control.data["status"], to_control.targets[0].channel) == ("resolved", "webhook")
    assert to_control.subject == "[resolved] Substation S1: 2 events in 2 zones"
    assert all(incident.close_reason == "resolved" for incident in store.incidents())
    assert store.tell(alert("F1-2", resolves=True)) == []


def test_what_is_over_before_anybody_was_told_is_not_told(store: RoutingStore) -> None:
    assert store.tell(alert("Z1"), alert("Z1", resolves=True)) == []
    assert store.outcomes() == {"overtaken": 1, "resolves": 1}


def test_trouble_that_flickers_is_told_at_the_pace_of_one(store: RoutingStore) -> None:
    for _ in range(20):
        store.tell(alert("Z1"))
        store.now += timedelta(seconds=5)
        store.tell(alert("Z1", resolves=True))
        store.now += timedelta(seconds=5)
    assert [one.data["status"] for one in store.sent] == ["firing", "resolved"]


def test_quiet_hours_hold_back_until_they_end_and_critical_passes(store: RoutingStore) -> None:
    store.routing(ROUTING + 'quiet_hours: [{start: "11:00", end: "14:00", passes: critical}]\n')
    assert store.tell(alert("F1-1"), alert("F1-2", "medium")) == []
    assert {one.data["severity"] for one in store.tell(alert("F2-1", "critical"))} == {"critical"}
    store.tell(alert("F2-1", resolves=True))
    assert store.later(119) == []
    [morning] = store.later(1)
    assert morning.event_ids == (1, 2)


def test_a_critical_event_breaks_the_quiet_of_its_own_incident(store: RoutingStore) -> None:
    store.routing(ROUTING + 'quiet_hours: [{start: "11:00", end: "14:00", passes: critical}]\n')
    assert store.tell(alert("F1-1", "medium")) == []
    to_control = [one for one in store.tell(alert("F1-2", "critical")) if one.targets[0].channel == "webhook"]
    assert [one.event_ids for one in to_control] == [(1, 2)]


def test_a_silence_hides_what_it_names_until_it_expires(store: RoutingStore) -> None:
    with write_transaction() as transaction:
        silences.add(transaction, Matcher(zone=("Z1",)), "meter exchange", "wanda", store.now, lasts=timedelta(hours=1))
    assert store.tell(alert("Z1")) == []
    assert store.outcomes() == {"silenced": 1}
    assert len(store.tell(alert("Z2"))) == 1
    store.now += timedelta(minutes=61)
    assert len(store.tell(alert("Z1"))) == 1


def test_a_silence_of_one_zone_does_not_hide_an_event_of_several(store: RoutingStore) -> None:
    with write_transaction() as transaction:
        silences.add(transaction, Matcher(zone=("Z1",)), "meter exchange", "wanda", store.now, lasts=timedelta(hours=1))
    assert len(store.tell(Event("outage", "high", "Outage", zones=("Z1", "F1-1")))) == 1


def test_escalation_goes_on_until_somebody_acknowledges(store: RoutingStore) -> None:
    store.tell(alert("Z1", "critical"))
    assert store.later(14) == []
    [first] = store.later(1)
    assert first.data["status"] == "escalated"
    assert [target.channel for target in first.targets] == ["sms"]
    second = store.later(30)
    assert {target.channel for one in second for target in one.targets} == {"webhook", "sms"}
    [any_of_them, *_] = store.incidents()
    with write_transaction() as transaction:
        acknowledge(transaction, any_of_them.incident_id, "wanda", store.now)
    assert store.later(600) == []


def test_a_resolved_incident_does_not_escalate(store: RoutingStore) -> None:
    store.tell(alert("Z1", "critical"))
    store.tell(alert("Z1", resolves=True))
    assert store.later(600) == []


def test_all_failures_of_one_pipeline_are_one_message(store: RoutingStore) -> None:
    failed = [
        Event("task_failed", "high", f"a.t{i} failed", data={"dag_id": "a"}, dedupe_key="airflow:a") for i in range(9)
    ]
    other = Event("task_failed", "high", "b.t failed", data={"dag_id": "b"}, dedupe_key="airflow:b")
    assert sorted(message.data["place"] for message in store.tell(*failed, other)) == ["pipeline a", "pipeline b"]
    assert store.outcomes() == {"told": 2, "duplicate": 8}


def test_every_event_leaves_a_decision_even_if_nobody_hears_of_it(store: RoutingStore) -> None:
    store.routing(ROUTING.replace("  - {name: record-only}\n", ""))
    numbers = store.record(Event("task_retried", "low", "again"), Event("note", "low", "no rule"), alert("Z1"))
    store.tick()
    with write_transaction() as transaction:
        found = {row.event_id: row.outcome for row in transaction.scalars(select(RoutingDecision))}
    assert found == dict(zip(numbers, ["recorded", "unrouted", "told"], strict=True))


def test_events_stay_unrouted_while_the_file_is_broken(store: RoutingStore) -> None:
    store.routing("version: 1\nrules: nonsense\n")
    store.record(alert("Z1"))
    with pytest.raises(Exception, match=r"routing\.yaml"):
        store.tick()
    store.routing(ROUTING)
    assert len(store.tick()) == 1


def test_planning_again_without_events_sends_nothing_twice(store: RoutingStore) -> None:
    store.tell(alert("Z1"))
    assert [store.tick() for _ in range(3)] == [[], [], []]
    assert store.now == BEGIN


def test_what_nothing_resolves_is_closed_after_a_day(store: RoutingStore) -> None:
    store.tell(alert("Z1", key=None))
    store.later(24 * 60 + 1)
    assert [incident.close_reason for incident in store.incidents()] == ["idle"]


def test_what_is_old_and_over_is_forgotten_and_what_is_open_is_kept(store: RoutingStore) -> None:
    store.tell(alert("Z1"), alert("Z2"))
    store.tell(alert("Z1", resolves=True))
    store.tell(alert("Z2", key="waits"))
    forgotten = forget_routing(store.now + timedelta(days=1))
    assert (forgotten["events"], forgotten["incidents"], forgotten["conditions"]) == (3, 1, 1)
    [still_open] = store.incidents()
    assert (still_open.place, store.outcomes()) == ("substation S2", {"waiting": 1})
    assert [one.event_ids for one in store.later(10)] == [(4,)]
