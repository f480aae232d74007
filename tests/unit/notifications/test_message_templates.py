"""What messages say, and that data can never become a template or a mail header."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.notifications.event_view import facts, view
from smartgrid.notifications.templates import PACKAGED, Rendered, check_templates, one_line, render, template_for
from smartgrid.store.events import EventRow

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
ATTACKS = [
    "{{ 7 * 7 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{# comment #}",
    "${7*7} #{7*7} <%= 7*7 %>",
]


def event(**changes: Any) -> EventRow:
    usual: dict[str, Any] = {
        "event_id": 1, "recorded_at": NOON, "kind": "load_alert", "severity": "high", "subject": "Load of Z1",
        "text": "", "zones": ["Z1"], "dedupe_key": None, "team": None, "run": None, "link": None, "data": {},
        "resolves": False,
    }  # fmt: skip
    return EventRow(**usual | changes)


def message(row: EventRow, folder: Path | None = None) -> Rendered:
    values = {"event": view(row), "place": "", "incident_link": "", "severity": row.severity}
    return render(template_for(row.kind, folder), values, folder=folder, zone=ZoneInfo("UTC"))


def test_a_message_has_the_number_the_zone_what_to_do_and_the_link() -> None:
    link = "https://airflow.example/dags/x/runs/y"
    said = message(event(data={"load_kw": 61_234.5, "limit_kw": 50_000}, link=link, zones=["Z10"]))
    assert said.subject == "[high] Load of Z1"
    for part in ("Zones: Z10", "Load: 61,234 kW", "Limit: 50,000 kW", "What to do: compare with the forecast", link):
        assert part in said.text
    assert said.short == f"HIGH: Load of Z1 (Z10); Load: 61,234 kW; Limit: 50,000 kW {link}"


@pytest.mark.parametrize("path", sorted(PACKAGED.glob("[a-z]*.j2")), ids=lambda path: path.stem)
def test_every_kind_says_what_to_do(path: Path) -> None:
    said = message(event(kind=path.stem))
    assert len(said.text.partition("What to do: ")[2]) > 30
    assert "\n\n\n" not in said.text


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_looks_like_a_template_is_shown_as_it_is(attack: str) -> None:
    said = message(event(subject=attack, text=attack, zones=[attack], data={"note": attack}))
    assert attack in said.subject
    assert said.text.count(attack) == 3
    assert "49" not in said.text


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_subject_is_one_line_whatever_the_data_are(subject: str, zone: str) -> None:
    said = message(event(subject=subject, zones=[zone]))
    for text in (said.subject, said.short):
        assert text == one_line(text, 400)
        assert not any(ord(sign) < 32 or sign in "\x7f\x85\u2028\u2029\u202e" for sign in text)
    assert len(said.subject) <= 200
    assert len(said.short) <= 300


def test_a_header_cannot_be_smuggled_into_a_subject() -> None:
    assert (
        message(event(subject="Load\r\nBcc: everyone@example.org")).subject == "[high] Load Bcc: everyone@example.org"
    )


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example"])
def test_only_web_addresses_become_links(link: str) -> None:
    assert link not in message(event(link=link)).text


def test_an_own_template_wins_and_a_broken_one_does_not_keep_the_event_from_being_told(tmp_path: Path) -> None:
    (tmp_path / "load_alert.j2").write_text('{% extends "_event.j2" %}{% block advice %}call 112{% endblock %}')
    assert "What to do: call 112" in message(event(), tmp_path).text
    (tmp_path / "load_alert.j2").write_text("{{ event.nothing.at.all }}")
    assert message(event(text="see there"), tmp_path) == Rendered("Load of Z1", "see there", "Load of Z1")
    (tmp_path / "load_alert.j2").write_text("{% if %}")
    assert message(event(), tmp_path).subject == "Load of Z1"
    assert check_templates(tmp_path)[0].startswith("load_alert.j2: ")


@pytest.mark.parametrize(
    "template",
    [
        "{{ event.__class__.__mro__ }}", "{{ ''.__class__.__subclasses__() }}", "{{ event.data.clear() }}",
        "{{ lipsum.__globals__ }}", "{{ event.zones.append('x') }}",
    ],
)  # fmt: skip
def test_even_a_template_cannot_leave_the_sandbox(tmp_path: Path, template: str) -> None:
    (tmp_path / "load_alert.j2").write_text(template)
    said = message(event(text="plain"), tmp_path)
    assert "class" not in said.text
    assert said.text in ("plain", "")


def test_the_name_of_a_kind_is_never_a_path() -> None:
    assert template_for("../../../etc/passwd") == "_event"
    assert template_for("_several") == "_event"
    assert template_for("load_alert") == "load_alert"
    assert template_for("something_new") == "_event"


def test_facts_carry_their_units_and_leave_out_what_no_person_reads() -> None:
    given = {"mape_percent": 12.34, "temperature_c": -3.5, "dag_id": "x", "curve": [1], "more": {"a": 1}, "late": True}
    assert facts(given) == ["Mape: 12.34 %", "Temperature: -3.5 °C", "Late: True"]
