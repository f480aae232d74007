"""Which entry of the history is ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from smartgrid.powerbi.refresh_match import Started, find
from smartgrid.powerbi.refresh_report import RefreshReport, State, failure_text, from_details, from_history

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def entry(name: str | None, seconds: float, kind: str = "ViaApi", state: State = "running") -> RefreshReport:
    return RefreshReport(state, name, kind, NOON + timedelta(seconds=seconds), None, "")


def started(*ids: str, known: tuple[str, ...] = (), claimed: tuple[str, ...] = (), age_s: float = 1.0) -> Started:
    return Started(ids, known, claimed, NOON, age_s)


@pytest.mark.parametrize(
    ("entries", "start", "wanted"),
    [
        ([entry("a", 1), entry("b", 2)], started("A"), "a"),
        ([entry("b", 2)], started("a"), None),  # an id that may still come
        ([entry("b", 2)], started("a", age_s=30), "b"),  # an id that names nothing
        ([entry("old", -60)], started(known=("old",)), None),
        ([entry("old", -60)], started(), None),  # listed late, but began before ours
        ([entry("mine", 1)], started(claimed=("mine",)), None),
        ([entry("x", 1, "Scheduled"), entry("y", 1, "OnDemand")], started(), None),
        ([entry("later", 50), entry("ours", 1)], started(), "ours"),
        ([entry("skewed", -600)], started(age_s=20), None),
        ([entry("skewed", -600)], started(age_s=60), "skewed"),
        ([entry("one", -600), entry("two", -500)], started(age_s=60), None),
        ([], started(), None),
    ],
)
def test_ours_is_told_from_all_others(entries: list[RefreshReport], start: Started, wanted: str | None) -> None:
    found = find(entries, start, settle_s=100)
    assert (found.request_id if found else None) == wanted


@pytest.mark.parametrize(
    ("detailed", "general", "state"),
    [
        (None, "Unknown", "running"),
        (None, None, "running"),
        (None, "Completed", "completed"),
        (None, "failed", "failed"),
        (None, "Cancelled", "cancelled"),
        ("InProgress", "Completed", "running"),
        ("Not Started", "Unknown", "running"),
        ("Unknown", "Completed", "completed"),
        ("TimedOut", "Failed", "timed_out"),
        ("Cancelled", "Unknown", "cancelled"),
        (None, "Disabled", "disabled"),
        (None, "Resting", "running"),
    ],
)
def test_words_of_the_service_become_states(detailed: str | None, general: str | None, state: str) -> None:
    assert from_history({"status": general, "extendedStatus": detailed}).state == state


def test_http_202_means_that_it_still_runs() -> None:
    assert from_details({"status": "Completed"}, "x", 202).state == "running"
    assert from_details({"status": "Completed"}, "x", 200).state == "completed"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({}, ""),
        ({"serviceExceptionJson": '{"errorCode":"A","errorDescription":"b"}'}, "A: b"),
        ({"serviceExceptionJson": "not json"}, "not json"),
        ({"serviceExceptionJson": '"text"'}, "text"),
        ({"refreshAttempts": [{"serviceExceptionJson": '{"errorCode":"A"}'}, {}, None]}, "A"),
        (
            {"messages": [{"code": "0x1", "message": "m", "type": "Error"}, {"message": "w", "type": "Warning"}]},
            "0x1 m",
        ),
    ],
)
def test_failure_text_is_found_wherever_the_service_puts_it(row: dict[str, object], text: str) -> None:
    assert failure_text(row) == text
