"""The reviewed files: what they may say, and what is said of one that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from smartgrid.notifications.matching import Matcher
from smartgrid.notifications.policy_errors import BadPolicy
from smartgrid.notifications.quiet_hours import Hours
from smartgrid.notifications.rules import load_policy
from smartgrid.notifications.topology import Place, load_topology
from smartgrid.store.events import EventRow

ROOM = Path(__import__("smartgrid.notifications.rules", fromlist=["x"]).__file__).parent
MINIMAL = "version: 1\nreceivers: {a: {targets: [{channel: email, recipient: a@example.org}]}}\n"
BERLIN = ZoneInfo("Europe/Berlin")


def policy(tmp_path: Path, text: str) -> Path:
    (tmp_path / "routing.yaml").write_text(text)
    return tmp_path / "routing.yaml"


def event(**facts: object) -> EventRow:
    usual = {"kind": "load_alert", "severity": "high", "zones": ["Z1"], "team": None, "dedupe_key": None}
    return EventRow(**usual | facts)  # type: ignore[arg-type]


def test_the_packaged_files_are_valid() -> None:
    assert [rule.name for rule in load_policy(None).rules][-1] == "record-only"
    assert load_topology(ROOM / "topology.example.yaml").place(["Z1", "Z2"]).title == "substation S1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (MINIMAL + "rules: [{name: x, tell: [b]}]", "rule x: no receiver 'b'"),
        (MINIMAL + "rules: [{name: x, escalation: e}]", "rule x: no escalation 'e'"),
        (MINIMAL + "rules: [{name: x}, {name: x}]", "two rules are named x"),
        (MINIMAL + "rules: [{name: x, match: {severity: urgent}}]", "severity"),
        (MINIMAL + "rules: [{name: x, mtach: {}}]", "mtach"),
        (MINIMAL + "rules: []", "rules"),
        (MINIMAL + "rules: [{name: x}]\nquiet_hours: [{start: 22:00, end: 06:00}]", "in quotes"),
        ("version: 1\nreceivers: {a: {targets: [{channel: sms, recipient: $NO_SUCH_PHONE}]}}\nrules: [{name: x}]",
         "NO_SUCH_PHONE is not set"),
        ("version: 2\nrules: [{name: x}]", "version"),
        ("{{{", "not YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_what_is_wrong_where(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BadPolicy) as refused:
        load_policy(policy(tmp_path, text))
    assert problem in str(refused.value)
    assert "SMARTGRID_ROUTING__FILE" in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_recipient_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUTY_PHONE", "+4915112345678")
    path = policy(
        tmp_path, "version: 1\nreceivers: {a: {targets: [{channel: sms, recipient: $DUTY_PHONE}]}}\nrules: [{name: x}]"
    )
    assert load_policy(path).receivers["a"].targets[0].recipient == "+4915112345678"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    import os

    path = policy(tmp_path, MINIMAL + "rules: [{name: one}]")
    assert load_policy(path).rules[0].name == "one"
    policy(tmp_path, MINIMAL + "rules: [{name: two}]")
    os.utime(path, ns=(1, 1))
    assert load_policy(path).rules[0].name == "two"


def test_the_first_rule_that_fits_decides_unless_it_says_to_go_on(tmp_path: Path) -> None:
    rules = "rules: [{name: a, match: {zone: Z1}, also_next: true}, {name: b, match: {kind: load_*}}, {name: c}]"
    found = load_policy(policy(tmp_path, MINIMAL + rules))
    noon = datetime(2024, 3, 5, 12, tzinfo=UTC)
    none = Place("none", "")
    assert [rule.name for rule in found.rules_for(event(), none, noon, BERLIN)] == ["a", "b"]
    assert [rule.name for rule in found.rules_for(event(zones=[]), none, noon, BERLIN)] == ["b"]
    assert [rule.name for rule in found.rules_for(event(kind="x", zones=[]), none, noon, BERLIN)] == ["c"]


def test_a_rule_applies_in_its_hours_only(tmp_path: Path) -> None:
    rules = 'rules: [{name: day, hours: {start: "08:00", end: "16:00", days: [mon, tue]}}, {name: night}]'
    found = load_policy(policy(tmp_path, MINIMAL + rules))
    place = Place("none", "")
    tuesday, wednesday = datetime(2024, 3, 5, 7, tzinfo=UTC), datetime(2024, 3, 6, 7, tzinfo=UTC)  # 08:00 in Berlin
    assert [rule.name for rule in found.rules_for(event(), place, tuesday, BERLIN)] == ["day"]
    assert [rule.name for rule in found.rules_for(event(), place, wednesday, BERLIN)] == ["night"]


@pytest.mark.parametrize(
    ("local", "quiet"),
    [("2024-03-05T21:59", False), ("2024-03-05T22:00", True), ("2024-03-06T05:59", True), ("2024-03-06T06:00", False)],
)
def test_hours_over_midnight(local: str, quiet: bool) -> None:
    night = Hours(start=time(22), end=time(6))
    assert (night.end_of(datetime.fromisoformat(local).replace(tzinfo=BERLIN), BERLIN) is not None) is quiet


def test_the_night_in_which_the_clock_changes_ends_at_six_on_the_wall() -> None:
    end = Hours(start=time(22), end=time(6)).end_of(datetime(2024, 3, 30, 23, tzinfo=UTC), BERLIN)
    assert end is not None
    assert end.isoformat() == "2024-03-31T06:00:00+02:00"


def test_a_zone_in_two_substations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("regions: {n: {substations: {A: {zones: [Z1]}, B: {zones: [Z1]}}}}")
    with pytest.raises(BadPolicy, match="Z1 is in A and in B"):
        load_topology(tmp_path / "t.yaml")


def test_an_event_that_names_its_substation_is_believed() -> None:
    place = load_topology(None).place(["F9"], {"substation": "S9", "region": "west"})
    assert (place.title, place.regions) == ("substation S9", ("west",))


def test_every_given_field_has_to_fit() -> None:
    place = Place("substation", "S1", ("S1",), ("north",))
    fits = Matcher(kind="load_*", at_least="medium", zone=("Z?",), substation="S1", region=("no*",)).fits
    assert fits(event(), place)
    assert not fits(event(severity="low"), place)
    assert not fits(event(kind="drift"), place)
    assert not fits(event(zones=["Z10"]), place)
    assert not fits(event(), Place("substation", "S2", ("S2",), ("north",)))
    assert Matcher().fits(event(), place)
