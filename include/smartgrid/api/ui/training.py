"""What the page shows of training: the searches that run now, and report and picture of the newest tournament."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select

from smartgrid.api.ui import models
from smartgrid.api.ui.errors import NoSuchRun
from smartgrid.automl.tournament_progress import PROGRESS_FILE, trials
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.engine import engine
from smartgrid.store.models import TrainingRun

PICTURE, REPORT = "plots/tournament.png", "report.md"
# A trainer says something at least every few seconds; a run that was silent for so long was ended.
SILENT = timedelta(minutes=15)
POINTS = 200


def training(settings: Settings) -> models.Training:
    """The newest judged tournament and the one that runs now."""
    answer = models.Training(running=_running(settings))
    if not inspect(engine()).has_table(TrainingRun.__tablename__):
        return answer
    with session() as open_session:
        run = open_session.scalars(select(TrainingRun).order_by(TrainingRun.started_at.desc()).limit(1)).first()
    if run is not None:
        folder = settings.home / "runs" / run.run_id
        answer.run_id = run.run_id
        answer.has_picture, answer.has_report = (folder / PICTURE).is_file(), (folder / REPORT).is_file()
        answer.mlflow_run_id, answer.mlflow_version = run.mlflow_run_id, run.mlflow_version
        answer.searches = _searches(folder)
    return answer


def file_of(settings: Settings, run_id: str, name: str) -> Path:
    """A file of a run.

    Raises:
        NoSuchRun: no such run, or it has no such file.
    """
    path = settings.home / "runs" / run_id / name
    if not path.is_file():
        raise NoSuchRun(run_id, name)
    return path


def _running(settings: Settings) -> models.RunningTournament | None:
    """The run whose trainers reported last, unless it is judged or silent for long."""
    spoken = [(path.stat().st_mtime, path) for path in (settings.home / "runs").glob(f"*/candidates/*/{PROGRESS_FILE}")]
    if not spoken:
        return None
    last, newest = max(spoken)
    folder = newest.parents[2]
    said_at = datetime.fromtimestamp(last, UTC)
    if (folder / "leaderboard.json").is_file() or datetime.now(UTC) - said_at > SILENT:
        return None
    return models.RunningTournament(run_id=folder.name, said_at=said_at, searches=_searches(folder))


def _searches(folder: Path) -> list[models.Search]:
    return [_search(name, records, folder) for name, records in trials(folder).items() if records]


def _search(name: str, records: list[dict[str, Any]], folder: Path) -> models.Search:
    began = datetime.fromisoformat(records[0]["at"])
    scored = [record for record in records if record["trial"] is not None and record["score"] is not None]
    best, points = float("inf"), []
    for record in scored:
        if record["score"] < best:
            best = record["score"]
            points.append(
                models.BestTrial(
                    elapsed_s=(datetime.fromisoformat(record["at"]) - began).total_seconds(), error_share=best
                )
            )
    outcome = folder / "candidates" / name / "candidate.json"
    failed = json.loads(outcome.read_text(encoding="utf-8")).get("failed") if outcome.is_file() else None
    return models.Search(
        trainer=name,
        state="failed" if failed else "done" if outcome.is_file() else "running",
        trials=max((record["trial"] for record in records if record["trial"] is not None), default=0),
        best_error_share=best if scored else None,
        left_s=records[-1]["left_s"] if not outcome.is_file() else None,
        said=str(failed or records[-1]["text"])[:300],
        points=points[-POINTS:],
    )
