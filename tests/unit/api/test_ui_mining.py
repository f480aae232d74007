"""The API of the page Load patterns."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.mining_tables import MiningCluster, MiningOutlier, MiningRule, MiningRun, MiningZone

DAY = date(2008, 1, 2)


def run(run_id: str, kind: str, end_day: int, **changes: Any) -> MiningRun:
    summary = {
        "k": 1, "curve": [], "zone_days": 28, "left_out": [["Z2", "2008-01-03"]], "same_readings": {}, "odd_days": 1,
    }  # fmt: skip
    rules = {"compared_with": None, "rules": [], "text": []}
    patterns = {
        "compared_with": None, "moved": [], "new_clusters": [], "gone_clusters": [], "odd_since": "2007-12-30",
        "new_odd_days": 1, "odd_zones": {"Z10": 4}, "common_odd_days": {},
    }  # fmt: skip
    return MiningRun(
        run_id=run_id,
        kind=kind,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        window_start=datetime(2007, 1, 7, 5, tzinfo=UTC),
        window_end=datetime(2008, 1, end_day, 5, tzinfo=UTC),
        data_uri="lake",
        data_sha256="0" * 64,
        data_rows=672,
        parameters={"vocabulary": {"events": {"peak": {"meaning": "far above usual"}}}, "days": 364},
        series="days=364",
        summary=summary,
        changes=patterns if kind == "load_patterns" else rules,
    )


@pytest.fixture
def mined(viewer: TestClient, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("SMARTGRID_TIMEZONE", "Etc/GMT+5")
    get_settings.cache_clear()
    migrate()
    ones = [1.0] * 24
    with session() as transaction:
        transaction.add_all(
            [
                run("patterns-1", "load_patterns", 6),
                run("patterns-2", "load_patterns", 13),
                run("rules-1", "event_rules", 6),
            ]
        )
        transaction.flush()
        transaction.add(
            MiningCluster(
                run_id="patterns-2", cluster="A", name="flat", size=28, matched=True, shape=ones, shape_low=ones,
                shape_high=ones, centroid_kw=ones,
            )
        )  # fmt: skip
        transaction.add_all(
            MiningZone(
                run_id="patterns-2", zone=zone, cluster="A", recent_shares={"A": 1.0}, shares={"A": 1.0}, eps=0.4
            )
            for zone in ("Z10", "Z2")
        )
        cause = {"begin_hour": 0, "end_hour": 24, "direction": "above", "difference_kw": 1.0}
        transaction.add(
            MiningOutlier(
                run_id="patterns-2", zone="Z10", day=DAY, distance=2.6, text="00-24 h above usual by 1 kW (+100 %)",
                causes=[cause], load_kw=[2.0] * 24, usual_kw=ones,
            )
        )  # fmt: skip
        transaction.add(
            MiningRule(
                run_id="rules-1", number=0, antecedent=["cold"], consequent=["peak"], support=0.02, confidence=0.4,
                lift=4.0, leverage=0.01, conviction=None, count=20, p_value=1e-9, q_value=1e-7, relation="expected",
                why="heating", reported=True, days=9, places=3, last_day=DAY,
            )
        )  # fmt: skip
    plots = empty_home / "mining" / "patterns-2" / "plots"
    plots.mkdir(parents=True)
    (plots / "zones.png").write_bytes(b"\x89PNG")
    (plots.parent / "report.md").write_text("# Load patterns")
    return viewer


PATHS = ["mining/patterns", "mining/rules", "mining/patterns-2/report", "mining/patterns-2/pictures/zones"]


@pytest.mark.parametrize("path", PATHS)
def test_nobody_reads_without_a_token(anyone: TestClient, empty_home: Path, path: str) -> None:
    assert anyone.get(f"/api/v1/{path}").status_code == 401
    assert anyone.get("/patterns").status_code == 401


def test_before_the_first_run_there_is_nothing_and_no_error(viewer: TestClient, empty_home: Path) -> None:
    assert viewer.get("/api/v1/mining/patterns").json()["run"] is None
    assert viewer.get("/api/v1/mining/rules").json() == {"run": None, "runs": [], "rules": [], "meanings": {}}


def test_the_newest_run_is_shown_with_local_days_and_what_changed(mined: TestClient) -> None:
    answer = mined.get("/api/v1/mining/patterns").json()
    assert answer["run"]["run_id"] == "patterns-2"
    assert (answer["run"]["first_day"], answer["run"]["last_day"]) == ("2007-01-07", "2008-01-12")
    assert answer["run"]["changes_text"][-1] == "Z10: 4 odd days of its own"
    assert "vocabulary" not in answer["run"]["parameters"]
    assert (answer["run"]["has_report"], answer["run"]["pictures"]) == (True, ["zones"])
    assert [one["run_id"] for one in answer["runs"]] == ["patterns-2", "patterns-1"]
    assert [one["zone"] for one in answer["zones"]] == ["Z2", "Z10"]
    [odd] = answer["odd_days"]
    assert (odd["zone"], odd["day"], odd["more"]) == ("Z10", "2008-01-02", True)


def test_an_earlier_run_can_be_asked_for(mined: TestClient) -> None:
    assert mined.get("/api/v1/mining/patterns?run=patterns-1").json()["run"]["last_day"] == "2008-01-05"
    for run_id, status in (("rules-1", 404), ("no-such-run", 404), ("../etc", 422)):
        assert mined.get("/api/v1/mining/patterns", params={"run": run_id}).status_code == status


def test_an_odd_day_is_told_hour_by_hour(mined: TestClient) -> None:
    found = mined.get("/api/v1/mining/patterns/patterns-2/days/Z10/2008-01-02").json()
    assert (found["load_kw"], found["usual_kw"]) == ([2.0] * 24, [1.0] * 24)
    assert found["causes"][0]["direction"] == "above"
    assert mined.get("/api/v1/mining/patterns/patterns-2/days/Z10/2008-01-03").status_code == 404
    assert mined.get("/api/v1/mining/patterns/patterns-2/days/Z10/soon").status_code == 422


def test_rules_come_with_the_meaning_of_their_events(mined: TestClient) -> None:
    answer = mined.get("/api/v1/mining/rules").json()
    assert answer["rules"][0]["antecedent"] == ["cold"]
    assert answer["rules"][0]["conviction"] is None
    assert answer["meanings"] == {"peak": "far above usual"}


def test_files_of_a_run_are_served_and_no_others(mined: TestClient) -> None:
    assert mined.get("/api/v1/mining/patterns-2/pictures/zones").headers["content-type"] == "image/png"
    assert mined.get("/api/v1/mining/patterns-2/report").text == "# Load patterns"
    assert mined.get("/api/v1/mining/patterns-1/report").status_code == 404
    assert mined.get("/api/v1/mining/patterns-2/pictures/..%2f..%2fstore").status_code in (404, 422)


def test_the_page_and_its_files_are_there_under_the_policy(mined: TestClient) -> None:
    page = mined.get("/patterns")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("patterns.js", "pattern_charts.js", "rule_charts.js", "patterns.css"):
        assert f"static/{name}" in page.text
        assert mined.get(f"/static/{name}").status_code == 200
    assert "<script>" not in page.text
    assert 'href="patterns"' in mined.get("/").text
