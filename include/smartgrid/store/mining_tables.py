"""Tables of the store for the results of mining runs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Date, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from smartgrid.store.models import Base

_RUN = "mining_runs.run_id"


class MiningRun(Base):
    """One mining run: what was mined with which parameters, and what changed since the run before."""

    __tablename__ = "mining_runs"

    run_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), comment="load_patterns or event_rules")
    created_at: Mapped[datetime]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    data_uri: Mapped[str] = mapped_column(Text)
    data_sha256: Mapped[str] = mapped_column(String(64))
    data_rows: Mapped[int] = mapped_column(Integer)
    parameters: Mapped[dict[str, Any]]
    series: Mapped[str] = mapped_column(String(128), comment="runs with the same text can be compared")
    previous_run_id: Mapped[str | None] = mapped_column(String(80), default=None)
    summary: Mapped[dict[str, Any]]
    changes: Mapped[dict[str, Any]]

    __table_args__ = (Index("ix_mining_runs_kind_window_end", "kind", "window_end"),)


class MiningCluster(Base):
    """One cluster of daily load shapes. A letter stays with a shape from run to run."""

    __tablename__ = "mining_clusters"

    run_id: Mapped[str] = mapped_column(ForeignKey(_RUN, ondelete="CASCADE"), primary_key=True)
    cluster: Mapped[str] = mapped_column(String(4), primary_key=True, comment="letter")
    name: Mapped[str] = mapped_column(Text, comment="what the shape looks like")
    size: Mapped[int] = mapped_column(Integer, comment="zone-days")
    matched: Mapped[bool] = mapped_column(Boolean, comment="the previous run had this shape")
    shape: Mapped[list[Any]] = mapped_column(comment="24 values, local hours, 1 = mean of the day")
    shape_low: Mapped[list[Any]] = mapped_column(comment="10th percentile of the members")
    shape_high: Mapped[list[Any]] = mapped_column(comment="90th percentile of the members")
    centroid_kw: Mapped[list[Any]] = mapped_column(comment="24 values, kW")


class MiningZone(Base):
    """Which cluster a zone is in now, and how its recent days are spread over the clusters."""

    __tablename__ = "mining_zones"

    run_id: Mapped[str] = mapped_column(ForeignKey(_RUN, ondelete="CASCADE"), primary_key=True)
    zone: Mapped[str] = mapped_column(String(128), primary_key=True)
    cluster: Mapped[str | None] = mapped_column(String(4), comment="most of its recent days; null: none is whole")
    recent_shares: Mapped[dict[str, Any]] = mapped_column(comment="share of its recent days by cluster")
    shares: Mapped[dict[str, Any]] = mapped_column(comment="share of its days in the window by cluster")
    same_as: Mapped[str | None] = mapped_column(String(128), default=None, comment="zone with the same readings")
    eps: Mapped[float] = mapped_column(Float, comment="DBSCAN radius of the zone, share of the usual load")


class MiningAssignment(Base):
    """The cluster of one zone-day."""

    __tablename__ = "mining_assignments"

    run_id: Mapped[str] = mapped_column(ForeignKey(_RUN, ondelete="CASCADE"), primary_key=True)
    zone: Mapped[str] = mapped_column(String(128), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    cluster: Mapped[str] = mapped_column(String(4))


class MiningOutlier(Base):
    """One zone-day that does not fit, and why."""

    __tablename__ = "mining_outliers"

    run_id: Mapped[str] = mapped_column(ForeignKey(_RUN, ondelete="CASCADE"), primary_key=True)
    zone: Mapped[str] = mapped_column(String(128), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    distance: Mapped[float] = mapped_column(Float, comment="rms difference from the usual day, share of its mean")
    text: Mapped[str] = mapped_column(Text)
    causes: Mapped[list[Any]] = mapped_column(comment="hours, direction, kW, percent")
    load_kw: Mapped[list[Any]] = mapped_column(comment="24 values")
    usual_kw: Mapped[list[Any]] = mapped_column(comment="24 values")


class MiningItemset(Base):
    """One frequent itemset of events."""

    __tablename__ = "mining_itemsets"

    run_id: Mapped[str] = mapped_column(ForeignKey(_RUN, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    items: Mapped[list[Any]]
    support: Mapped[float] = mapped_column(Float)
    count: Mapped[int] = mapped_column(Integer)
    closed: Mapped[bool] = mapped_column(Boolean)
    maximal: Mapped[bool] = mapped_column(Boolean)


class MiningRule(Base):
    """One rule: where the antecedent happens, the consequent happens too."""

    __tablename__ = "mining_rules"

    run_id: Mapped[str] = mapped_column(ForeignKey(_RUN, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    antecedent: Mapped[list[Any]]
    consequent: Mapped[list[Any]]
    support: Mapped[float] = mapped_column(Float)
    confidence: Mapped[float] = mapped_column(Float)
    lift: Mapped[float] = mapped_column(Float)
    leverage: Mapped[float] = mapped_column(Float)
    conviction: Mapped[float | None] = mapped_column(Float, comment="null: infinite")
    count: Mapped[int] = mapped_column(Integer)
    p_value: Mapped[float] = mapped_column(Float)
    q_value: Mapped[float] = mapped_column(Float)
    relation: Mapped[str] = mapped_column(String(16), comment="by construction, expected or new")
    why: Mapped[str] = mapped_column(Text, comment="of the relation")
    reported: Mapped[bool] = mapped_column(Boolean, comment="significant, on enough days, not by construction")
    days: Mapped[int] = mapped_column(Integer, comment="different days that it rests on")
    places: Mapped[int] = mapped_column(Integer, comment="different zones that it rests on")
    last_day: Mapped[date | None] = mapped_column(Date)
