"""How far the pipeline has come, read from the clock and the results store. Nothing is remembered beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from smartgrid import clock
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.models import Batch, Forecast, Promotion, TrainingRun

SERVED_BY_MODEL = "stable_model"


@dataclass(frozen=True)
class ServedModel:
    """The version that the ledger says is served, and the training run that made it."""

    version: int
    run_id: str | None
    winner: str | None


@dataclass(frozen=True)
class LatestForecast:
    """The forecast with the latest issue time."""

    issue_time: datetime
    methods: dict[str, int]
    created_at: datetime

    @property
    def by_model(self) -> bool:
        """Every zone and hour comes from the stable model."""
        return set(self.methods) == {SERVED_BY_MODEL}


def data_time(settings: Settings) -> datetime | None:
    """The platform's now, or None before the first ingest."""
    return clock.now(settings) if clock.started(settings) else None


def landed_batches() -> int:
    """Batches that wait for validation."""
    with session() as open_session:
        return open_session.scalar(select(func.count()).where(Batch.status == "landed")) or 0


def validated_batches() -> int:
    with session() as open_session:
        return open_session.scalar(select(func.count()).where(Batch.status == "validated")) or 0


def any_batch() -> bool:
    with session() as open_session:
        return bool(open_session.scalar(select(func.count()).select_from(Batch)))


def latest_training() -> TrainingRun | None:
    with session() as open_session:
        return open_session.scalar(select(TrainingRun).order_by(TrainingRun.started_at.desc()).limit(1))


def candidate_waits(settings: Settings) -> bool:
    """A version passed its gate, was registered and was not promoted yet."""
    served = served_model(settings)
    with session() as open_session:
        newest = open_session.scalar(
            select(func.max(TrainingRun.mlflow_version)).where(TrainingRun.gate_passed.is_(True))
        )
    return newest is not None and served is None


def served_model(settings: Settings) -> ServedModel | None:
    """The latest entry of the promotion ledger for the served model."""
    with session() as open_session:
        promotion = open_session.scalar(
            select(Promotion)
            .where(Promotion.model_name == settings.model_name)
            .order_by(Promotion.promotion_id.desc())
            .limit(1)
        )
        if promotion is None:
            return None
        training = open_session.get(TrainingRun, promotion.run_id) if promotion.run_id else None
    return ServedModel(promotion.version, promotion.run_id, training.winner if training else None)


def latest_forecast() -> LatestForecast | None:
    with session() as open_session:
        issue_time = open_session.scalar(select(func.max(Forecast.issue_time)))
        if issue_time is None:
            return None
        rows = open_session.execute(
            select(Forecast.method, func.count(), func.max(Forecast.created_at))
            .where(Forecast.issue_time == issue_time)
            .group_by(Forecast.method)
        ).all()
    return LatestForecast(issue_time, {method: count for method, count, _ in rows}, max(row[2] for row in rows))


def forecast_is_current(settings: Settings, forecast: LatestForecast | None) -> bool:
    """The model served a forecast for the present: of the replay clock's time, or of the last day on the wall clock."""
    now = data_time(settings)
    if forecast is None or now is None or not forecast.by_model:
        return False
    tolerance = timedelta(days=1) if settings.clock == "wall" else timedelta(hours=1)
    return forecast.issue_time >= now - tolerance
