"""Accepted readings on their way to the store, where reports compare them with forecasts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

import polars as pl
from sqlalchemy.orm import Session

from smartgrid.store.reporting_tables import keep_recent_loads

# A first batch brings years of history. Of hours that were never forecast, reports need the recent ones.
FIRST_DAYS = 60
_COLUMNS = ("zone", "time", "load_kw", "temperature_c")


def record_recent_loads(session: Session, accepted: pl.DataFrame, reporting_days: int) -> None:
    """Add the newest rows of MEASUREMENT_SCHEMA to the caller's transaction."""
    newest = cast("datetime", accepted["time"].max())
    recent = accepted.filter(pl.col("time") > newest - timedelta(days=min(reporting_days, FIRST_DAYS)))
    keep_recent_loads(session, recent.select(_COLUMNS).iter_rows(named=True), newest, reporting_days)
