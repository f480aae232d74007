"""The notifications page and the routes behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import Header, HTTPException
from fastapi.testclient import TestClient

from smartgrid.api.callers import Caller, Role
from smartgrid.api.ui import build_app
from smartgrid.notifications.router import route_events
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import get_settings
from smartgrid.store import migrate
from smartgrid.store.events import Event, record_event

CALLERS = {"w": Caller("wanda", "viewer"), "o": Caller("olga", "operator")}
API = "/api/v1/notifications"


async def current_user(authorization: str | None = Header(default=None)) -> str:
    if (authorization or "").removeprefix("Bearer ") not in CALLERS:
        raise HTTPException(401, "Not authenticated")
    return "somebody"


def require(role: Role) -> Callable[..., Awaitable[Caller]]:
    async def caller(authorization: str | None = Header(default=None)) -> Caller:
        found = CALLERS.get((authorization or "").removeprefix("Bearer "))
        if found is None:
            raise HTTPException(401, "Not authenticated")
        if not found.may(role):
            raise HTTPException(403, f"The role {role} is needed.")
        return found

    return caller


def client(token: str = "") -> TestClient:
    return TestClient(build_app(current_user, require), headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def filled(empty_home: Path) -> Path:
    """Two events of one zone, one of them told to nobody but recorded."""
    migrate()
    with write_transaction() as transaction:
        record_event(transaction, Event("load_alert", "critical", "Load of Z1", zones=("Z1",), dedupe_key="load:Z1"))
        record_event(transaction, Event("note", "low", "<script>alert(1)</script>"))
    route_events(get_settings())
    return empty_home


@pytest.mark.parametrize(
    "path",
    ["/notifications", "/static/notifications.js", "/static/push_worker.js", API, f"{API}/incidents", f"{API}/me"],
)
def test_nothing_is_served_to_strangers(filled: Path, path: str) -> None:
    assert client().get(path).status_code == 401
    assert client("w").get(path).status_code == 200


def test_the_page_and_its_worker_run_under_a_strict_policy(filled: Path) -> None:
    page = client("w").get("/notifications")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"].partition("style-src")[0]
    for name in ("notifications.js", "push.js"):
        assert f'src="static/{name}"' in page.text
        script = client("w").get(f"/static/{name}")
        assert script.headers["content-type"].startswith("text/javascript")
        assert "innerHTML" not in script.text


def test_the_record_says_who_was_told_and_why_nobody_was(filled: Path) -> None:
    events = client("w").get(f"{API}/events").json()["events"]
    assert [(one["kind"], [made["outcome"] for made in one["decisions"]]) for one in events] == [
        ("note", ["recorded"]),
        ("load_alert", ["unrouted"]),  # nobody is registered
    ]
    assert client("w").get(f"{API}/events?limit=1").json()["next_before"] == 2
    assert len(client("w").get(f"{API}/events?before=2").json()["events"]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("incidents/1/acknowledge", {}), ("incidents/1/close", {}), ("silences/1/end", {}),
        ("silences", {"matcher": {"kind": "x"}, "reason": "planned work", "hours": 1}),
        ("dead-letters/replay", {"channel": "sms"}),
    ],
)  # fmt: skip
def test_a_viewer_changes_nothing(filled: Path, path: str, body: dict[str, object]) -> None:
    assert client("w").post(f"{API}/{path}", json=body).status_code == 403


def test_an_operator_acknowledges_and_closes(filled: Path) -> None:
    [incident] = client("o").get(f"{API}/incidents").json()["incidents"]
    number = incident["incident_id"]
    assert client("o").post(f"{API}/incidents/{number}/acknowledge").json()["acknowledged_by"] == "olga"
    assert client("o").post(f"{API}/incidents/{number}/close").json()["close_reason"] == "by olga"
    assert client("o").get(f"{API}/incidents").json()["incidents"] == []
    assert client("o").post(f"{API}/incidents/999/close").status_code == 404


def test_a_silence_needs_a_reason_an_end_and_a_target(filled: Path) -> None:
    good = {"matcher": {"zone": "Z1"}, "reason": "meter exchange", "hours": 2}
    made = client("o").post(f"{API}/silences", json=good)
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["says"], made.json()["created_by"]) == ("in force", "zone Z1", "olga")
    for change in ({"reason": "x"}, {"reason": "       "}, {"hours": 0}, {"hours": 721}, {"matcher": {}}, {"x": 1}):
        assert client("o").post(f"{API}/silences", json=good | change).status_code == 422, change
    number = made.json()["silence_id"]
    assert client("o").post(f"{API}/silences/{number}/end").json()["state"] == "ended"
    assert client("o").post(f"{API}/silences/999/end").status_code == 404


def test_a_preview_sends_and_records_nothing(filled: Path) -> None:
    body = {
        "kind": "load_alert",
        "severity": "high",
        "subject": "Load {{ 7*7 }}",
        "zones": ["Z1"],
        "data": {"load_kw": 5},
    }
    shown = client("w").post(f"{API}/preview", json=body).json()
    assert shown["subject"] == "[high] Load {{ 7*7 }}"
    assert "Load: 5 kW" in shown["text"]
    assert shown["receivers"][0]["receiver"] == "operations"
    assert len(client("w").get(f"{API}/events").json()["events"]) == 2
    assert client("w").get(API).json()["deliveries"] == []
