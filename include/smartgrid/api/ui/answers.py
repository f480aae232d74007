"""The answers of the endpoints, read from the lake and the results store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import inspect, select

from smartgrid import clock
from smartgrid.api.ui import models
from smartgrid.api.ui.errors import UnknownZone
from smartgrid.api.ui.load_series import STABLE, issues, measured
from smartgrid.api.ui.models import SYSTEM
from smartgrid.lake import Window
from smartgrid.lake.measurements import zones as zones_of
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.engine import engine
from smartgrid.store.models import BacktestScore, Batch, Promotion, TrainingRun, Validation

NAIVES = ("daily_naive", "weekly_naive")


def zones(settings: Settings) -> models.Zones:
    known = zones_of(settings.lake_root)
    return models.Zones(
        zones=[SYSTEM, *known] if known else [],
        timezone=str(settings.grid_timezone),
        clock=settings.clock,
        now=_local(_now(settings), settings),
    )


def forecasts(settings: Settings, zone: str, days: int) -> models.Forecasts:
    """The last `days` of measurements, every forecast for them, and what is forecast beyond.

    Raises:
        UnknownZone
    """
    _check(zone, settings)
    now = _now(settings)
    answer = models.Forecasts(
        zone=zone,
        timezone=str(settings.grid_timezone),
        now=_local(now, settings),
        measured=[],
        weekly_naive=[],
        issued=[],
        missing_hours=0,
    )
    if now is None or not zones_of(settings.lake_root):
        return answer
    window = Window(now - timedelta(days=days), now)
    found = measured(settings.lake_root, zone, window)
    answer.measured = _points(found.load, settings)
    answer.weekly_naive = _points(found.weekly_naive, settings)
    answer.missing_hours = found.missing_hours
    if not _has_tables():
        return answer
    for issue in issues(zone, since=window.start):
        answer.issued.append(
            models.IssuedForecast(
                issue_time=issue.issue_time.astimezone(settings.grid_timezone),
                model_versions=sorted(issue.versions),
                methods=dict(issue.methods.most_common()),
                reasons=sorted(issue.reasons),
                temperature=issue.temperature,
                points=[
                    models.Point(time=time.astimezone(settings.grid_timezone), load_kw=load)
                    for time, load in issue.complete
                ],
                band=[
                    models.Band(time=time.astimezone(settings.grid_timezone), load_kw_q10=low, load_kw_q90=high)
                    for time, (low, high) in sorted(issue.band_kw.items())
                ],
            )
        )
    return answer


def leaderboard(settings: Settings, zone: str) -> models.Leaderboard:
    """Scores of the newest tournament.

    Raises:
        UnknownZone
    """
    _check(zone, settings)
    empty = models.Leaderboard(run_id=None, zone=zone)
    if not _has_tables():
        return empty
    with session() as open_session:
        run = open_session.scalars(select(TrainingRun).order_by(TrainingRun.started_at.desc()).limit(1)).first()
        if run is None:
            return empty
        scores = list(
            open_session.scalars(
                select(BacktestScore).where(BacktestScore.run_id == run.run_id, BacktestScore.zone == zone)
            )
        )
    scored = [_candidate(score, run.winner) for score in scores]
    scored.sort(key=lambda row: (row.mape_percent is None, row.mape_percent or 0.0))
    return models.Leaderboard(
        run_id=run.run_id,
        zone=zone,
        started_at=_local(run.started_at, settings),
        window_start=_local(run.window_start, settings),
        window_end=_local(run.window_end, settings),
        temperature=run.temperature,
        winner=run.winner,
        gate_passed=run.gate_passed,
        verdict=run.verdict,
        mlflow_version=run.mlflow_version,
        candidates=scored + _failures(run, {score.candidate for score in scores}),
    )


def last_validation(settings: Settings) -> models.LastValidation:
    """The newest validation run."""
    if not _has_tables():
        return models.LastValidation(batch_id=None)
    with session() as open_session:
        newest = select(Validation).order_by(Validation.validation_id.desc()).limit(1)
        validation = open_session.scalars(newest).first()
        if validation is None:
            return models.LastValidation(batch_id=None)
        batch = open_session.get(Batch, validation.batch_id)
    return models.LastValidation(
        batch_id=validation.batch_id,
        validated_at=validation.validated_at,
        window_start=_local(batch.window_start, settings) if batch else None,
        window_end=_local(batch.window_end, settings) if batch else None,
        source=batch.source if batch else None,
        passed=validation.passed,
        ingested_rows=validation.ingested_rows,
        accepted_rows=validation.accepted_rows,
        rejected_rows=validation.rejected_rows,
        reasons=validation.reasons,
        warnings=[_warning(warning) for warning in validation.warnings],
    )


def serving(settings: Settings) -> models.Serving:
    """The newest entry of the ledger and how the newest forecast was made."""
    answer = models.Serving(model_name=settings.model_name, version=None)
    if not _has_tables():
        return answer
    with session() as open_session:
        newest = (
            select(Promotion)
            .where(Promotion.model_name == settings.model_name)
            .order_by(Promotion.promotion_id.desc())
            .limit(1)
        )
        promotion = open_session.scalars(newest).first()
    if promotion is not None:
        answer.version, answer.action = promotion.version, promotion.action
        answer.decided_at, answer.decided_by = promotion.decided_at, promotion.decided_by
        answer.reason = promotion.reason
    for issue in issues(SYSTEM, only_newest=True):
        answer.issue_time = _local(issue.issue_time, settings)
        answer.forecast_versions = sorted(issue.versions)
        answer.forecast_methods = dict(issue.methods.most_common())
        answer.fallback = any(method != STABLE for method in issue.methods)
        answer.fallback_reasons = sorted(issue.reasons)
        answer.temperature = issue.temperature
    return answer


def _check(zone: str, settings: Settings) -> None:
    known = zones_of(settings.lake_root)
    if zone not in (SYSTEM, *known):
        raise UnknownZone(zone, [SYSTEM, *known] if known else [])


def _has_tables() -> bool:
    """False before the first `store migrate`: the page then says that there is nothing yet."""
    return bool(inspect(engine()).has_table(Validation.__tablename__))


def _now(settings: Settings) -> datetime | None:
    return clock.now(settings) if clock.started(settings) else None


def _local(moment: datetime | None, settings: Settings) -> datetime | None:
    return None if moment is None else moment.astimezone(settings.grid_timezone)


def _points(frame: pl.DataFrame, settings: Settings) -> list[models.Point]:
    zone = settings.grid_timezone
    return [models.Point(time=time.astimezone(zone), load_kw=load) for time, load in frame.iter_rows()]


def _candidate(score: BacktestScore, winner: str | None) -> models.Candidate:
    return models.Candidate(
        candidate=score.candidate,
        kind="naive" if score.candidate in NAIVES else "model",
        winner=score.candidate == winner,
        mape_percent=score.mape_percent,
        mase=score.mase,
        rmse_kw=score.rmse_kw,
        bias_kw=score.bias_kw,
        rows=score.rows,
        failure=None,
    )


def _failures(run: TrainingRun, scored: set[str]) -> list[models.Candidate]:
    """Candidates that the tournament names but could not score."""
    return [
        models.Candidate(
            candidate=str(row["candidate"]),
            kind="model",
            winner=False,
            mape_percent=None,
            mase=None,
            rmse_kw=None,
            bias_kw=None,
            rows=0,
            failure=str(row["failed"]),
        )
        for row in run.leaderboard
        if row.get("failed") and row.get("candidate") not in scored
    ]


def _warning(warning: Any) -> models.Warned:
    if isinstance(warning, dict):
        return models.Warned(code=str(warning.get("code", "")), message=str(warning.get("message", "")))
    return models.Warned(code="", message=str(warning))
