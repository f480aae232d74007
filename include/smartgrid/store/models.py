"""Tables of the results store. Times are UTC; units are in the names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, DateTime, Dialect, Float, Index, Integer, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from smartgrid.fields import LOAD_KW, TIME, ZONE


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware UTC in Python on every database (SQLite keeps no offset)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the store takes timezone-aware times only")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class Batch(Base):
    """A landed batch of measurements, as received, and what validation made of it."""

    __tablename__ = "batches"

    batch_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    uri: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int] = mapped_column(Integer)
    ingested_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(16), default="landed", comment="landed, validated or stopped")
    accepted_rows: Mapped[int | None] = mapped_column(Integer, default=None)
    rejected_rows: Mapped[int | None] = mapped_column(Integer, default=None)
    quarantine_uri: Mapped[str | None] = mapped_column(Text, default=None)


class Validation(Base):
    """One validation run of one batch."""

    __tablename__ = "validations"

    validation_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    batch_id: Mapped[str] = mapped_column(String(64), index=True)
    validated_at: Mapped[datetime]
    passed: Mapped[bool] = mapped_column(Boolean)
    ingested_rows: Mapped[int] = mapped_column(Integer)
    accepted_rows: Mapped[int] = mapped_column(Integer)
    rejected_rows: Mapped[int] = mapped_column(Integer)
    reasons: Mapped[dict[str, Any]] = mapped_column(JSON, comment="rejected rows by reason code")
    warnings: Mapped[list[Any]] = mapped_column(JSON, comment="findings that did not reject a row")
    expectations: Mapped[list[Any]] = mapped_column(JSON, comment="Great Expectations results, one per expectation")
    data_docs: Mapped[str | None] = mapped_column(Text, default=None)


class BacktestScore(Base):
    """Scores of one candidate of one training run, for one zone or for the system total (zone `SYSTEM`)."""

    __tablename__ = "backtest_scores"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    candidate: Mapped[str] = mapped_column(String(64), primary_key=True)
    zone: Mapped[str] = mapped_column(String(128), primary_key=True)
    mape_percent: Mapped[float | None] = mapped_column(Float)
    mase: Mapped[float | None] = mapped_column(Float)
    rmse_kw: Mapped[float | None] = mapped_column(Float)
    bias_kw: Mapped[float | None] = mapped_column(Float)
    rows: Mapped[int] = mapped_column(Integer)


class TrainingRun(Base):
    """One training tournament and its verdict."""

    __tablename__ = "training_runs"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    started_at: Mapped[datetime]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    data_sha256: Mapped[str] = mapped_column(String(64))
    temperature: Mapped[str] = mapped_column(String(16))
    winner: Mapped[str | None] = mapped_column(String(64), default=None)
    gate_passed: Mapped[bool] = mapped_column(Boolean, default=False)
    verdict: Mapped[str] = mapped_column(Text, default="")
    leaderboard: Mapped[list[Any]] = mapped_column(JSON, default=list)
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64), default=None)
    mlflow_version: Mapped[int | None] = mapped_column(Integer, default=None)


class Promotion(Base):
    """Append-only ledger: which version served from when, by whom and why."""

    __tablename__ = "promotions"

    promotion_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    decided_at: Mapped[datetime]
    model_name: Mapped[str] = mapped_column(String(128))
    version: Mapped[int] = mapped_column(Integer)
    action: Mapped[str] = mapped_column(String(16), comment="promote or rollback")
    decided_by: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(String(64), default=None)
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64), default=None)


class Forecast(Base):
    """One forecast hour of one zone, with everything needed to say where it came from."""

    __tablename__ = "forecasts"

    zone: Mapped[str] = mapped_column(String(128), primary_key=True, comment=ZONE.meaning)
    target_time: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True, comment=TIME.meaning)
    issue_time: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    load_kw: Mapped[float] = mapped_column(Float, comment=LOAD_KW.meaning)
    load_kw_q10: Mapped[float | None] = mapped_column(Float, default=None, comment="quantile 0.1; null: not calibrated")
    load_kw_q90: Mapped[float | None] = mapped_column(Float, default=None, comment="quantile 0.9; null: not calibrated")
    method: Mapped[str] = mapped_column(String(32), comment="stable_model, previous_version or weekly_naive")
    model_version: Mapped[int | None] = mapped_column(Integer, default=None)
    reason: Mapped[str] = mapped_column(Text, default="", comment="why the method is not stable_model")
    temperature: Mapped[str] = mapped_column(String(16), comment="forecast, actual or none")
    data_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_forecasts_issue_time", "issue_time"),)
