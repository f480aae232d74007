"""What the page's API promises."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import grid_data
import polars as pl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from smartgrid import lake
from smartgrid.api.ui.assets import PAGE, PLOTLY
from smartgrid.api.ui.document import PAGES, document
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import Forecast, Validation

PATHS = [
    "/",
    "/static/app.js",
    "/static/plotly.min.js",
    "/api/v1/zones",
    "/api/v1/forecasts",
    "/api/v1/leaderboard",
    "/api/v1/validation",
    "/api/v1/serving",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_route_needs_a_user(anyone: TestClient, empty_home: Path, path: str) -> None:
    assert anyone.get(path).status_code == 401
    assert anyone.get(path, headers={"Authorization": "Bearer forged"}).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_every_route_answers_when_there_is_nothing_yet(viewer: TestClient, empty_home: Path, path: str) -> None:
    assert viewer.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc"])
def test_schema_is_not_served(viewer: TestClient, anyone: TestClient, path: str) -> None:
    assert viewer.get(path).status_code == 404


@pytest.mark.parametrize("name", ["index.html", "..%2Fapp.py", "app.py", "%2e%2e/settings.py"])
def test_only_the_files_of_the_page_are_served(viewer: TestClient, name: str) -> None:
    assert viewer.get(f"/static/{name}").status_code == 404


def test_page_loads_nothing_from_elsewhere(viewer: TestClient) -> None:
    answer = viewer.get("/")
    assert "http" not in answer.text.replace("http-equiv", "")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


def test_nothing_yet_is_said_in_figures(viewer: TestClient, empty_home: Path) -> None:
    assert viewer.get("/api/v1/zones").json() == {
        "zones": [],
        "timezone": "Etc/GMT+5",
        "clock": "replay",
        "now": None,
    }
    forecasts = viewer.get("/api/v1/forecasts").json()
    assert (forecasts["measured"], forecasts["issued"], forecasts["now"]) == ([], [], None)
    assert viewer.get("/api/v1/leaderboard").json()["run_id"] is None
    assert viewer.get("/api/v1/validation").json()["batch_id"] is None
    assert viewer.get("/api/v1/serving").json()["version"] is None


def test_zones_are_in_natural_order_after_the_system(viewer: TestClient, filled_home: Path) -> None:
    answer = viewer.get("/api/v1/zones").json()
    assert answer["zones"] == ["SYSTEM", "Z1", "Z2", "Z10"]
    assert answer["now"] == "2007-12-15T00:00:00-05:00"


def test_unknown_zone_is_404_and_names_the_field(viewer: TestClient, filled_home: Path) -> None:
    for path in ("forecasts", "leaderboard"):
        answer = viewer.get(f"/api/v1/{path}?zone=Z99")
        assert answer.status_code == 404
        (detail,) = answer.json()["detail"]
        assert detail["loc"] == ["query", "zone"]
        assert "Z10" in detail["msg"]


@pytest.mark.parametrize("days", ["0", "61", "-1", "week"])
def test_days_out_of_range_are_422(viewer: TestClient, filled_home: Path, days: str) -> None:
    answer = viewer.get(f"/api/v1/forecasts?days={days}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "days"]


def test_measurements_end_at_data_time_and_forecasts_go_on(viewer: TestClient, filled_home: Path) -> None:
    answer = viewer.get("/api/v1/forecasts?zone=Z1&days=7").json()
    assert len(answer["measured"]) == 7 * 24
    assert answer["measured"][-1]["time"] == "2007-12-14T23:00:00-05:00"
    assert len(answer["weekly_naive"]) == 8 * 24
    assert [len(issue["points"]) for issue in answer["issued"]] == [24] * 7
    newest = answer["issued"][-1]
    assert newest["points"][-1]["time"] == "2007-12-15T23:00:00-05:00"
    assert newest["model_versions"] == [2]
    assert newest["temperature"] == "actual"


def test_weekly_naive_is_the_load_of_a_week_before(viewer: TestClient, filled_home: Path) -> None:
    for point in viewer.get("/api/v1/forecasts?zone=Z2&days=3").json()["weekly_naive"]:
        before = datetime.fromisoformat(point["time"]).astimezone(grid_data.UTC) - timedelta(days=7)
        assert point["load_kw"] == pytest.approx(grid_data.load_kw("Z2", before))


def test_system_is_the_sum_over_zones(viewer: TestClient, filled_home: Path) -> None:
    parts = [viewer.get(f"/api/v1/forecasts?zone={zone}&days=2").json() for zone in grid_data.ZONES]
    whole = viewer.get("/api/v1/forecasts?zone=SYSTEM&days=2").json()
    for i, point in enumerate(whole["measured"]):
        assert point["load_kw"] == pytest.approx(sum(part["measured"][i]["load_kw"] for part in parts))
    for i, point in enumerate(whole["issued"][-1]["points"]):
        assert point["load_kw"] == pytest.approx(sum(part["issued"][-1]["points"][i]["load_kw"] for part in parts))
    assert whole["missing_hours"] == 0


def test_a_zone_has_the_band_of_its_forecast_and_neither_a_sum_nor_a_naive_forecast_has_one(
    viewer: TestClient, filled_home: Path
) -> None:
    issued = viewer.get("/api/v1/forecasts?zone=Z1&days=7").json()["issued"]
    band, points = issued[-1]["band"], issued[-1]["points"]
    assert [one["time"] for one in band] == [point["time"] for point in points]
    for one, point in zip(band, points, strict=True):
        assert one["load_kw_q10"] == pytest.approx(0.9 * point["load_kw"])
        assert one["load_kw_q90"] == pytest.approx(1.1 * point["load_kw"])
    naive = [issue for issue in issued if "weekly_naive" in issue["methods"]]
    assert naive
    assert all(issue["band"] == [] for issue in naive)
    whole = viewer.get("/api/v1/forecasts?zone=SYSTEM&days=7").json()["issued"]
    assert all(issue["band"] == [] for issue in whole)


def test_hour_that_a_zone_lacks_is_left_out_of_the_sum(viewer: TestClient, filled_home: Path) -> None:
    root = get_settings().lake_root
    part = next(Path(root).glob("measurements/zone=Z2/year=2007/part.parquet"))
    gone = grid_data.NOW - timedelta(hours=5)
    pl.read_parquet(part).filter(pl.col("time") != gone).write_parquet(part)
    assert lake.read_measurements(root, zones=["Z2"]).filter(pl.col("time") == gone).is_empty()
    answer = viewer.get("/api/v1/forecasts?days=1").json()
    assert answer["missing_hours"] == 1
    assert len(answer["measured"]) == 23


def test_fallback_is_shown_with_its_reason(viewer: TestClient, filled_home: Path) -> None:
    assert viewer.get("/api/v1/serving").json()["fallback"] is False
    with session() as open_session:
        open_session.execute(
            update(Forecast)
            .where(Forecast.issue_time == grid_data.NOW, Forecast.zone == "Z1")
            .values(method="weekly_naive", model_version=None, reason="no answer within 5 s")
        )
    serving = viewer.get("/api/v1/serving").json()
    assert serving["fallback"] is True
    assert serving["fallback_reasons"] == ["no answer within 5 s"]
    assert serving["forecast_methods"] == {"stable_model": 48, "weekly_naive": 24}
    assert (serving["version"], serving["forecast_versions"]) == (2, [2])


def test_leaderboard_is_best_first_with_naives_winner_and_failures(viewer: TestClient, filled_home: Path) -> None:
    board = viewer.get("/api/v1/leaderboard").json()
    rows = board["candidates"]
    assert [row["candidate"] for row in rows] == ["tpot", "per_hour_ridge", "daily_naive", "weekly_naive", "h2o"]
    assert [row["winner"] for row in rows] == [True, False, False, False, False]
    assert {row["candidate"] for row in rows if row["kind"] == "naive"} == {"daily_naive", "weekly_naive"}
    assert "MemoryError" in rows[-1]["failure"]
    assert board["gate_passed"] is True
    one_zone = viewer.get("/api/v1/leaderboard?zone=Z10").json()["candidates"]
    assert one_zone[0]["mape_percent"] == pytest.approx(4.31 * 1.6)


def test_last_validation_accounts_for_every_row(viewer: TestClient, filled_home: Path) -> None:
    answer = viewer.get("/api/v1/validation").json()
    assert answer["ingested_rows"] == answer["accepted_rows"] + sum(answer["reasons"].values())
    assert answer["warnings"][0]["code"] == "step_change"
    with session() as open_session:
        open_session.add(
            Validation(
                batch_id="gone",
                validated_at=grid_data.NOW,
                passed=False,
                ingested_rows=1,
                accepted_rows=0,
                rejected_rows=1,
                reasons={"flat_line": 1},
                warnings=["text"],
                expectations=[],
            )
        )
    stopped = viewer.get("/api/v1/validation").json()
    assert (stopped["passed"], stopped["source"]) == (False, None)


def test_every_page_is_a_whole_document_that_links_to_all_pages_and_marks_itself() -> None:
    for page in PAGES:
        text = bytes(document(page).body).decode()
        assert text.startswith("<!doctype html>")
        assert text.count("<head>") == text.count("<body>") == text.count("</html>") == 1
        assert f"<title>{page.title}</title>" in text
        assert [text.count(f'href="{other.address}"') >= 1 for other in PAGES] == [True] * len(PAGES)
        assert text.count('aria-current="page"') == 1
        assert f'href="{page.address}" aria-current="page"' in text
        for address in (*page.styles, *page.scripts):
            name = address.rpartition("/")[2]
            assert name == PLOTLY or next(PAGE.rglob(name), None) is not None, address
