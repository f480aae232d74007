"""The training part of the page: progress of a running tournament, picture and report of the last one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import select

from smartgrid.store import session
from smartgrid.store.models import TrainingRun

URL = "/api/v1/training"


def progress(
    home: Path, run_id: str, trainer: str, scores: list[float | None], ended: dict[str, str] | None = None
) -> None:
    folder = home / "runs" / run_id / "candidates" / trainer
    folder.mkdir(parents=True)
    began = datetime.now(UTC) - timedelta(seconds=len(scores))
    lines = [{"at": began.isoformat(), "trial": None, "score": None, "left_s": None, "text": "searching"}]
    lines += [
        {
            "at": (began + timedelta(seconds=number)).isoformat(),
            "trial": number, "score": value, "left_s": 60.0 - number, "text": f"trial {number}",
        }
        for number, value in enumerate(scores, start=1)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"at": "half a li'
    (folder / "progress.jsonl").write_text(text, encoding="utf-8")
    if ended is not None:
        (folder / "candidate.json").write_text(json.dumps(ended), encoding="utf-8")


def test_empty_platform_has_no_training(viewer: TestClient, empty_home: Path) -> None:
    answer = viewer.get(URL).json()
    assert answer["run_id"] is None
    assert answer["running"] is None


def test_running_tournament_shows_each_search(viewer: TestClient, filled_home: Path) -> None:
    progress(filled_home, "r9", "tpot", [0.05, None, 0.03, 0.04])
    progress(filled_home, "r9", "h2o", [], {"failed": "TrainerTimedOut: nothing"})
    running = viewer.get(URL).json()["running"]
    assert running["run_id"] == "r9"
    searches = {search["trainer"]: search for search in running["searches"]}
    tpot = searches["tpot"]
    assert (tpot["state"], tpot["trials"], tpot["best_error_share"], tpot["left_s"]) == ("running", 4, 0.03, 56.0)
    assert [point["error_share"] for point in tpot["points"]] == [0.05, 0.03]
    assert tpot["said"] == "trial 4"
    assert (searches["h2o"]["state"], searches["h2o"]["said"]) == ("failed", "TrainerTimedOut: nothing")


def test_judged_tournament_is_not_running_any_more(viewer: TestClient, filled_home: Path) -> None:
    progress(filled_home, "r9", "tpot", [0.05], {"trainer": "tpot"})
    (filled_home / "runs/r9/leaderboard.json").write_text("{}", encoding="utf-8")
    assert viewer.get(URL).json()["running"] is None


def test_picture_and_report_of_the_newest_run_are_served(viewer: TestClient, filled_home: Path) -> None:
    with session() as open_session:
        run_id = open_session.scalars(select(TrainingRun.run_id)).one()
    answer = viewer.get(URL).json()
    assert (answer["run_id"], answer["has_picture"], answer["has_report"]) == (run_id, False, False)
    assert viewer.get(f"{URL}/{run_id}/picture").status_code == 404
    folder = filled_home / "runs" / run_id
    (folder / "plots").mkdir(parents=True)
    (folder / "plots/tournament.png").write_bytes(b"\x89PNG")
    (folder / "report.md").write_text("# Tournament", encoding="utf-8")
    answer = viewer.get(URL).json()
    assert (answer["has_picture"], answer["has_report"]) == (True, True)
    picture, report = viewer.get(f"{URL}/{run_id}/picture"), viewer.get(f"{URL}/{run_id}/report")
    assert (picture.headers["content-type"], picture.content) == ("image/png", b"\x89PNG")
    assert report.text == "# Tournament"


def test_no_file_outside_the_runs_can_be_asked_for(viewer: TestClient, filled_home: Path) -> None:
    (filled_home / "report.md").write_text("secret", encoding="utf-8")
    for run_id in ("..", "%2e%2e", "..%2f..", "a%2fb", "x" * 81):
        assert viewer.get(f"{URL}/{run_id}/report").status_code in (404, 422)


def test_training_needs_a_user(anyone: TestClient, empty_home: Path) -> None:
    for path in (URL, f"{URL}/r1/picture", f"{URL}/r1/report"):
        assert anyone.get(path).status_code == 401
