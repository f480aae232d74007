from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from smartgrid.mining.errors import ParameterOutOfRange
from smartgrid.mining.event_rules import find_rules
from smartgrid.mining.events import EVENT_SCHEMA
from smartgrid.mining.events_vocabulary import load_vocabulary
from smartgrid.mining.run_errors import NoEvents
from smartgrid.mining.transactions import build_transactions

BERLIN = "Europe/Berlin"


def table(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """(start, end, place, event) in ISO 8601."""
    told = [
        (datetime.fromisoformat(start), datetime.fromisoformat(end), place, event, 1.0, "x", "measurements")
        for start, end, place, event in rows
    ]
    return pl.DataFrame(told, schema=EVENT_SCHEMA, orient="row")


def test_what_happens_at_one_place_on_one_local_day_is_one_transaction() -> None:
    events = table(
        ("2024-03-01T23:30:00+00:00", "2024-03-01T23:45:00+00:00", "Z1", "peak"),  # 00:30 of the 2nd in Berlin
        ("2024-03-02T10:00:00+00:00", "2024-03-02T11:00:00+00:00", "Z1", "ramp_up"),
        ("2024-03-02T10:00:00+00:00", "2024-03-02T11:00:00+00:00", "Z2", "ramp_up"),
    )
    found = build_transactions(events, place="zone", timezone=BERLIN, first=date(2024, 3, 1), last=date(2024, 3, 2))
    assert dict(zip(found.names, found.items, strict=True)) == {
        "Z1 2024-03-01": (),
        "Z1 2024-03-02": ("peak", "ramp_up"),
        "Z2 2024-03-01": (),
        "Z2 2024-03-02": ("ramp_up",),
    }
    assert found.empty == 2
    assert found.frame().rows() == [
        ("Z1 2024-03-02", "peak"), ("Z1 2024-03-02", "ramp_up"), ("Z2 2024-03-02", "ramp_up"),
    ]  # fmt: skip


def test_an_event_is_in_every_window_that_it_touches_and_in_no_other() -> None:
    events = table(("2024-03-02T04:59:00+00:00", "2024-03-02T11:00:00+00:00", "Z1", "outage"))
    found = build_transactions(
        events, place="zone", timezone="UTC", window_hours=6, first=date(2024, 3, 2), last=date(2024, 3, 2)
    )
    assert [name for name, items in zip(found.names, found.items, strict=True) if items] == [
        "Z1 2024-03-02 00h", "Z1 2024-03-02 06h",
    ]  # fmt: skip
    whole = table(("2024-03-02T00:00:00+00:00", "2024-03-03T00:00:00+00:00", "Z1", "hot"))
    days = build_transactions(whole, place="zone", timezone="UTC", first=date(2024, 3, 1), last=date(2024, 3, 3))
    assert [len(items) for items in days.items] == [0, 1, 0]


def test_days_of_23_and_25_hours_have_their_windows() -> None:
    for changed in (date(2024, 3, 31), date(2024, 10, 27)):
        start = datetime(changed.year, changed.month, changed.day, 23, tzinfo=UTC) - timedelta(hours=2)
        events = table((start.isoformat(), (start + timedelta(minutes=1)).isoformat(), "Z1", "peak"))
        found = build_transactions(events, place="zone", timezone=BERLIN, window_hours=12, first=changed, last=changed)
        assert found.names == (f"Z1 {changed} 00h", f"Z1 {changed} 12h")
        assert found.items == ((), ("peak",))


def test_what_concerns_the_whole_grid_is_in_each_zone_or_once_for_the_grid() -> None:
    events = table(
        ("2024-03-02T00:00:00+00:00", "2024-03-03T00:00:00+00:00", "", "holiday"),
        ("2024-03-02T10:00:00+00:00", "2024-03-02T11:00:00+00:00", "Z2", "peak"),
    )
    by_zone = build_transactions(events, place="zone", timezone="UTC", zones=("Z1", "Z2"))
    assert by_zone.items == (("holiday",), ("holiday", "peak"))
    grid = build_transactions(events, place="grid", timezone="UTC", zones=("Z1", "Z2"))
    assert grid.items == (("holiday", "peak @ Z2"),)
    assert build_transactions(events, place="zone", timezone="UTC", zones=("Z1", "Z2"), without=["Z2"]).names == (
        "Z1 2024-03-02",
    )


@pytest.mark.parametrize("hours", [0, 5, 25, 2.0, True])
def test_windows_divide_the_day(hours: int) -> None:
    with pytest.raises(ParameterOutOfRange, match="window_hours"):
        build_transactions(table(), place="zone", timezone="UTC", window_hours=hours)


def planted() -> pl.DataFrame:
    """60 days of two zones: holidays bring rejected readings, and each peak has its ramp."""
    rows = []
    for number in range(60):
        start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
        span = (start.isoformat(), (start + timedelta(days=1)).isoformat())
        if number % 5 == 0:
            rows += [(*span, "", "holiday"), (*span, "Z1", "rejected:load_spike")]
        if number % 7 == 0:
            rows += [(*span, zone, event) for zone in ("Z1", "Z2") for event in ("peak", "ramp_up")]
        if number % 11 == 0:
            rows.append((*span, "Z2", "cold"))
    return table(*rows)


def rules(minimum_days: int = 5) -> dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, object]]:
    transactions = build_transactions(planted(), place="zone", timezone="UTC", zones=("Z1", "Z2"))
    found = find_rules(
        transactions, load_vocabulary(), min_support=0.02, min_confidence=0.3, max_q_value=0.05, min_days=minimum_days
    )
    assert found["summary"]["searches_agree"] is True
    return {(tuple(one["antecedent"]), tuple(one["consequent"])): one for one in found["rules"]}


def test_a_planted_rule_is_reported_and_one_that_is_true_by_construction_is_not() -> None:
    found = rules()
    planted_rule = found[("holiday",), ("rejected:load_spike",)]
    assert planted_rule["reported"] is True
    assert (planted_rule["relation"], planted_rule["days"], planted_rule["places"]) == ("new", 12, 1)
    assert planted_rule["last_day"] == "2024-02-25"
    tautology = found[("peak",), ("ramp_up",)]
    assert tautology["relation"] == "by construction"
    assert tautology["reported"] is False
    assert tautology["why"] == "both are made of the load of the same place"


def test_a_rule_on_too_few_days_is_not_reported() -> None:
    assert rules(minimum_days=13)[("holiday",), ("rejected:load_spike",)]["reported"] is False


def test_no_events_are_an_error() -> None:
    transactions = build_transactions(
        table(), place="zone", timezone="UTC", zones=("Z1",), first=date(2024, 1, 1), last=date(2024, 1, 5)
    )
    assert len(transactions) == transactions.empty == 5
    with pytest.raises(NoEvents):
        find_rules(transactions, load_vocabulary(), min_support=0.1, min_confidence=0.5, max_q_value=0.1, min_days=1)
