"""What the endpoints of the page Load patterns answer."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, Field

Kind = Literal["load_patterns", "event_rules"]


class RunName(BaseModel):
    run_id: str
    first_day: dt.date = Field(description="first local day of the window")
    last_day: dt.date
    series: str = Field(description="runs with the same text are compared with each other")


class MinedRun(BaseModel):
    """Which data a run was made of, and what changed since the one before."""

    run_id: str
    kind: Kind
    created_at: dt.datetime = Field(description="wall-clock time")
    first_day: dt.date
    last_day: dt.date
    timezone: str
    data_sha256: str
    data_rows: int = Field(description="readings in the window")
    parameters: dict[str, Any]
    summary: dict[str, Any]
    changes: dict[str, Any]
    changes_text: list[str] = Field(description="the same in words")
    has_report: bool
    pictures: list[str]


class Cluster(BaseModel):
    cluster: str
    name: str
    size: int = Field(description="zone-days")
    matched: bool = Field(description="the run before had this shape")
    shape: list[float] = Field(description="24 local hours, 1 = mean of the day")
    shape_low: list[float] = Field(description="10th percentile of the members")
    shape_high: list[float] = Field(description="90th percentile of the members")
    centroid_kw: list[float]


class ZonePattern(BaseModel):
    zone: str
    cluster: str | None
    recent_shares: dict[str, float]
    shares: dict[str, float]
    same_as: str | None = Field(description="a zone with the same readings")
    eps: float = Field(description="radius of DBSCAN, share of the usual load")


class OddDay(BaseModel):
    zone: str
    day: dt.date
    distance: float = Field(description="rms difference from the usual day, share of its mean load")
    more: bool = Field(description="more load than usual over the whole day")
    text: str


class Patterns(BaseModel):
    """The newest run of `mine_load_patterns`, or the one asked for."""

    run: MinedRun | None = None
    runs: list[RunName] = Field(default=[], description="newest first")
    clusters: list[Cluster] = []
    zones: list[ZonePattern] = Field(default=[], description="in natural order")
    odd_days: list[OddDay] = Field(default=[], description="oldest first")


class OddDayHours(BaseModel):
    """One odd day, hour by hour."""

    zone: str
    day: dt.date
    text: str
    causes: list[dict[str, Any]]
    load_kw: list[float]
    usual_kw: list[float]


class EventRule(BaseModel):
    antecedent: list[str]
    consequent: list[str]
    support: float
    confidence: float
    lift: float
    leverage: float
    conviction: float | None = Field(description="null: infinite")
    count: int
    p_value: float
    q_value: float = Field(description="p value corrected for all rules tried")
    relation: Literal["new", "expected", "by construction"]
    why: str
    reported: bool
    days: int
    places: int
    last_day: dt.date | None


class EventRules(BaseModel):
    """The newest run of `mine_event_rules`, or the one asked for."""

    run: MinedRun | None = None
    runs: list[RunName] = []
    rules: list[EventRule] = Field(default=[], description="reported first, then by lift")
    meanings: dict[str, str] = Field(default={}, description="event: what it means")
