"""What the store and the lake know beside measurements: holidays, rejected rows, misses of the forecast."""

from __future__ import annotations

import io
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import select

from smartgrid.features.calendar import holiday_days, to_date
from smartgrid.lake import Window
from smartgrid.lake.files import exists, read_bytes
from smartgrid.mining.events import UTC_TIME, Records
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.models import Batch, Forecast


def read_records(settings: Settings, window: Window, measurements: pl.DataFrame) -> Records:
    """Records of the window; `measurements` are what the forecasts are compared with."""
    first, last = window.start.year - 1, window.end.year + 1
    holidays = frozenset(to_date(day) for day in holiday_days(settings.holiday_calendar, first, last))
    return Records(holidays, _rejected(window), _misses(window, measurements, settings.grid_timezone))


def _rejected(window: Window) -> pl.DataFrame:
    """Rows that a validation rejected, repaired later or not: that the reading was bad has happened."""
    with session() as open_session:
        query = select(Batch.quarantine_uri).where(
            Batch.quarantine_uri.is_not(None), Batch.window_start < window.end, Batch.window_end > window.start
        )
        found = [uri for uri in open_session.scalars(query) if uri]
    # A quarantine file of another machine's folder is no reason to mine nothing.
    frames = [
        pl.read_parquet(io.BytesIO(read_bytes(uri)), columns=["zone", "time", "reason"])
        for uri in sorted(set(found))
        if exists(uri)
    ]
    if not frames:
        return Records().rejected
    rows = pl.concat(frames).filter(pl.col("zone").is_not_null() & pl.col("time").is_not_null())
    return rows.filter((pl.col("time") >= window.start) & (pl.col("time") < window.end)).with_columns(
        pl.col("time").cast(UTC_TIME)
    )


def _misses(window: Window, measurements: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """Mean absolute error of the newest forecast of each hour by zone and local day, as share of the mean load."""
    with session() as open_session:
        query = (
            select(Forecast.zone, Forecast.target_time, Forecast.issue_time, Forecast.load_kw)
            .where(Forecast.target_time >= window.start, Forecast.target_time < window.end)
            .order_by(Forecast.issue_time)
        )
        rows = [tuple(row) for row in open_session.execute(query)]
    if not rows:
        return Records().misses
    schema = {"zone": pl.String(), "time": UTC_TIME, "issue_time": UTC_TIME, "forecast_kw": pl.Float64()}
    issued = pl.DataFrame(rows, schema=schema, orient="row").unique(["zone", "time"], keep="last", maintain_order=True)
    joined = issued.join(measurements.select("zone", "time", "load_kw"), on=["zone", "time"], how="inner")
    return (
        joined.with_columns(pl.col("time").dt.convert_time_zone(str(zone)).dt.date().alias("day"))
        .group_by("zone", "day")
        .agg(
            ((pl.col("forecast_kw") - pl.col("load_kw")).abs().mean() / pl.col("load_kw").mean()).alias("error_share"),
            pl.len().alias("hours"),
        )
        # Half a day of forecasts says nothing about the day.
        .filter((pl.col("hours") >= 12) & pl.col("error_share").is_finite())
        .select("zone", "day", "error_share")
        .sort("day", "zone")
    )
