"""Measured load and issued forecasts of a zone, or of the sum over zones, from the lake and the store."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import func, select

from smartgrid import lake
from smartgrid.api.ui.models import SYSTEM
from smartgrid.lake import Window
from smartgrid.store import session
from smartgrid.store.models import Forecast

WEEK = timedelta(days=7)
STABLE = "stable_model"


@dataclass(frozen=True)
class Measured:
    """`load` and `weekly_naive`: time, load_kw. `missing_hours`: left out because a zone has no reading."""

    load: pl.DataFrame
    weekly_naive: pl.DataFrame
    missing_hours: int


@dataclass
class Issue:
    """One issue time: load by target time, and what made it."""

    issue_time: datetime
    load_kw: dict[datetime, float] = field(default_factory=dict)
    zones: Counter[datetime] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    versions: set[int] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    temperature: str = ""
    # Quantiles 0.1 and 0.9 of a single zone: those of a sum are not the sums of those of its parts.
    band_kw: dict[datetime, tuple[float, float]] = field(default_factory=dict)

    @property
    def complete(self) -> list[tuple[datetime, float]]:
        """Hours that every forecast zone has: a sum over fewer would show a dip that is none."""
        most = max(self.zones.values(), default=0)
        return [(time, self.load_kw[time]) for time in sorted(self.load_kw) if self.zones[time] == most]


def measured(root: str, zone: str, window: Window) -> Measured:
    """The load in `window`, and the weekly naive forecast for it and for the day after it."""
    longer = Window(window.start - WEEK, window.end)
    frame = lake.read_measurements(root, longer, None if zone == SYSTEM else [zone])
    by_time = frame.group_by("time").agg(pl.col("load_kw").sum(), pl.len().alias("zones")).sort("time")
    complete = by_time.filter(pl.col("zones") == pl.col("zones").max()).select("time", "load_kw")
    naive = complete.with_columns(pl.col("time") + WEEK).filter(
        (pl.col("time") >= window.start) & (pl.col("time") < window.end + timedelta(days=1))
    )
    inside = pl.col("time") >= window.start
    missing = by_time.filter(inside).height - complete.filter(inside).height
    return Measured(complete.filter(inside), naive, missing)


def issues(zone: str, since: datetime | None = None, only_newest: bool = False) -> list[Issue]:
    """Issued forecasts with targets at or after `since`, oldest issue first."""
    query = select(Forecast).order_by(Forecast.issue_time, Forecast.target_time)
    if zone != SYSTEM:
        query = query.where(Forecast.zone == zone)
    if since is not None:
        query = query.where(Forecast.target_time >= since)
    if only_newest:
        query = query.where(Forecast.issue_time == select(func.max(Forecast.issue_time)).scalar_subquery())
    found: defaultdict[datetime, list[Forecast]] = defaultdict(list)
    with session() as open_session:
        for row in open_session.scalars(query):
            found[row.issue_time].append(row)
    return [_issue(issue_time, rows, with_band=zone != SYSTEM) for issue_time, rows in found.items()]


def _issue(issue_time: datetime, rows: list[Forecast], *, with_band: bool) -> Issue:
    issue = Issue(issue_time)
    for row in rows:
        issue.load_kw[row.target_time] = issue.load_kw.get(row.target_time, 0.0) + row.load_kw
        issue.zones[row.target_time] += 1
        issue.methods[row.method] += 1
        if row.model_version is not None and row.method != "weekly_naive":
            issue.versions.add(row.model_version)
        if row.reason:
            issue.reasons.add(row.reason)
        issue.temperature = row.temperature
        if with_band and row.load_kw_q10 is not None and row.load_kw_q90 is not None:
            issue.band_kw[row.target_time] = (row.load_kw_q10, row.load_kw_q90)
    return issue
