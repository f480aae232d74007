"""Tables of the store for refreshes of Power BI datasets, and for exports of reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from smartgrid.store.models import Base


class PowerBiDataset(Base):
    """One row per dataset, updated first in every decision about it: deciders take turns."""

    __tablename__ = "powerbi_datasets"

    workspace_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    decided_at: Mapped[datetime]
    last_state: Mapped[str | None] = mapped_column(
        String(16), default=None, comment="how the newest ended refresh of ours ended"
    )


class PowerBiRequest(Base):
    """Somebody wants a refresh that starts after this row was written. One refresh may serve many requests."""

    __tablename__ = "powerbi_requests"

    request_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    workspace_id: Mapped[str] = mapped_column(String(64))
    dataset_id: Mapped[str] = mapped_column(String(64))
    request_key: Mapped[str | None] = mapped_column(
        String(512), default=None, comment="names the caller, so that it finds its request again after a crash"
    )
    requested_at: Mapped[datetime]
    requested_by: Mapped[str] = mapped_column(String(256))
    state: Mapped[str] = mapped_column(
        String(16),
        default="open",
        comment="open, or how it ended: the refresh's state, budget_spent, refused, withdrawn",
    )
    detail: Mapped[str] = mapped_column(Text, default="")
    refresh_id: Mapped[int | None] = mapped_column(Integer, default=None, comment="the refresh that served it")
    closed_at: Mapped[datetime | None] = mapped_column(default=None)

    __table_args__ = (
        Index("ix_powerbi_requests_open", "dataset_id", "state"),
        Index("ix_powerbi_requests_key", "request_key"),
    )


class PowerBiRefresh(Base):
    """One start of a refresh: reserved before the service is asked, so that a crash cannot lose its cost."""

    __tablename__ = "powerbi_refreshes"

    refresh_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    workspace_id: Mapped[str] = mapped_column(String(64))
    dataset_id: Mapped[str] = mapped_column(String(64))
    reserved_at: Mapped[datetime]
    lease_until: Mapped[datetime] = mapped_column(comment="until then whoever reserved it is starting it")
    covers_request_id: Mapped[int] = mapped_column(Integer, comment="serves the requests up to this one")
    state: Mapped[str] = mapped_column(
        String(16),
        comment="reserved, in_doubt, running; completed, failed, cancelled, disabled, timed_out, unknown, lost",
    )
    enhanced: Mapped[bool] = mapped_column(Boolean, default=False)
    service_ids: Mapped[list[Any]] = mapped_column(JSON, default=list, comment="what the service may call it")
    known_before: Mapped[list[Any]] = mapped_column(JSON, default=list, comment="refreshes listed before its start")
    service_time: Mapped[datetime | None] = mapped_column(default=None, comment="service's clock before its start")
    seen_at: Mapped[datetime | None] = mapped_column(default=None, comment="first seen at the service")
    cancel_asked_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    detail: Mapped[str] = mapped_column(Text, default="", comment="why it failed, in the service's words")

    __table_args__ = (Index("ix_powerbi_refreshes_dataset", "dataset_id", "reserved_at"),)


class PowerBiExport(Base):
    """One export of a report to a file."""

    __tablename__ = "powerbi_exports"

    export_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(64))
    report_id: Mapped[str] = mapped_column(String(64))
    report_name: Mapped[str] = mapped_column(Text, default="")
    file_format: Mapped[str] = mapped_column(String(8))
    requested_by: Mapped[str] = mapped_column(String(128))
    requested_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), comment="running, succeeded or failed")
    job_id: Mapped[str | None] = mapped_column(Text, default=None, comment="the service's name of the export")
    body: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, comment="what was asked of the service")
    attempts: Mapped[int] = mapped_column(Integer, default=1)
    retry_at: Mapped[datetime | None] = mapped_column(default=None)
    percent: Mapped[int] = mapped_column(Integer, default=0)
    file_name: Mapped[str | None] = mapped_column(Text, default=None)
    detail: Mapped[str] = mapped_column(Text, default="")
