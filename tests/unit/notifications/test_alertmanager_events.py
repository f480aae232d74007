"""Alertmanager's webhook as a source of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from smartgrid.notifications.alertmanager import BadAlert, events_of, record
from smartgrid.notifications.transaction import write_transaction
from smartgrid.store import migrate
from smartgrid.store.events import EventRow


def payload(status: str = "firing", severity: str = "critical", **changes: Any) -> dict[str, Any]:
    """As Alertmanager 0.27 sends it."""
    alert = {
        "status": status,
        "labels": {"alertname": "FeederOverload", "severity": severity, "zone": "F1-001", "team": "ops"},
        "annotations": {"summary": "Feeder F1-001 at 104 %", "description": "Since 5 min.", "runbook_url": "https://r/x"},
        "startsAt": "2024-03-05T12:00:00.123Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=x",
        "fingerprint": "c4e1f2a3b5d60718",
    }  # fmt: skip
    return {
        "version": "4", "groupKey": '{}:{alertname="FeederOverload"}', "truncatedAlerts": 0, "status": status,
        "receiver": "smartgrid", "groupLabels": {"alertname": "FeederOverload"}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "http://alertmanager.example", "alerts": [alert],
    } | changes  # fmt: skip


def test_an_alert_becomes_an_event_with_its_zone_link_and_condition() -> None:
    [event] = events_of(payload())
    assert (event.kind, event.severity, event.subject) == ("alert", "critical", "Feeder F1-001 at 104 %")
    assert (event.zones, event.team) == (("F1-001",), "ops")
    assert event.dedupe_key == "alertmanager:c4e1f2a3b5d60718"
    assert event.link == "http://prometheus.example/graph?g0.expr=x"
    assert event.data["runbook_url"] == "https://r/x"
    assert not event.resolves
    assert events_of(payload("resolved"))[0].resolves


@pytest.mark.parametrize(
    ("word", "severity"),
    [("page", "critical"), ("error", "high"), ("WARNING", "medium"), ("info", "low"), ("?", "medium")],
)
def test_severities_are_understood(word: str, severity: str) -> None:
    assert events_of(payload(severity=word))[0].severity == severity


def test_the_same_call_is_taken_once_and_a_changed_state_again(configure: Callable[..., Any]) -> None:
    configure()
    migrate()
    taken = []
    for body in (payload(), payload(), payload("resolved"), payload("resolved"), payload()):
        with write_transaction() as transaction:
            taken.append(record(transaction, body))
    assert taken == [1, 0, 1, 0, 0]
    with write_transaction() as transaction:
        assert transaction.scalar(select(func.count()).select_from(EventRow)) == 2


def test_alerts_that_alertmanager_left_out_are_at_least_known_to_be_missing() -> None:
    cut = events_of(payload(truncatedAlerts=42))[-1]
    assert "42" in cut.subject
    assert cut.severity == "high"


@pytest.mark.parametrize(
    "body", [{}, {"version": "3"}, payload(version="5"), payload(alerts="no"), payload(alerts=[{"status": "firing"}])]
)
def test_anything_else_is_refused_with_a_reason(body: dict[str, Any]) -> None:
    with pytest.raises(BadAlert, match="version 4"):
        events_of(body)


def test_times_before_0_19_without_fingerprint_have_a_stable_condition() -> None:
    one, two = payload(), payload()
    for body in (one, two):
        del body["alerts"][0]["fingerprint"]
    assert events_of(one)[0].dedupe_key == events_of(two)[0].dedupe_key != "alertmanager:"
