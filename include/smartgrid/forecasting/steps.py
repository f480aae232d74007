"""The step that forecasts the coming day and writes it to the store."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete

from smartgrid import clock
from smartgrid.errors import NothingToDo
from smartgrid.features.build import LOOKBACK_DAYS
from smartgrid.features.calendar import local_midnight, next_midnight
from smartgrid.forecasting.day_ahead import DayAhead, forecast_day, utc
from smartgrid.lake import DatasetRef, Window, read_measurements, read_weather
from smartgrid.lake.measurements import natural_sorted
from smartgrid.serving import connect
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import Forecast

log = logging.getLogger(__name__)

SERVER_TIMEOUT_S = 60.0  # a model server that was killed is back within seconds: wait for it before falling back
ACTIVE_DAYS = 28  # a zone that was silent for longer gets no forecast


def forecast(issue_time: str | None = None) -> dict[str, Any]:
    """Forecast the local day that starts at `issue_time` (default: the last local midnight) for every active zone.

    The rows of that issue time are replaced in one transaction, so that a repeated run changes nothing but what a
    newer model knows better.

    Raises:
        NothingToDo: no zone has recent measurements.
    """
    settings = get_settings()
    timezone = settings.grid_timezone
    now = clock.now(settings)
    issued = local_midnight(datetime.fromisoformat(issue_time) if issue_time else now, timezone)
    window = Window(issued - timedelta(days=LOOKBACK_DAYS), issued)
    measurements = read_measurements(
        settings.lake_root, window, as_of=max(issued, now) if issue_time is None else issued
    )
    recent = measurements.filter(measurements["time"] >= (issued - timedelta(days=ACTIVE_DAYS)).astimezone(UTC))
    zones = natural_sorted(recent["zone"].unique().to_list())
    if not zones:
        raise NothingToDo(f"no zone has measurements in the {ACTIVE_DAYS} days before {issued.isoformat()}")
    end = next_midnight(issued, timezone)
    weather = read_weather(settings.lake_root, Window(window.start, end))
    client = connect(timeout_s=SERVER_TIMEOUT_S)
    try:
        result = forecast_day(settings, client, measurements, weather, zones, issued)
    finally:
        client.close()
    digest = hashlib.sha256(measurements.hash_rows(seed=0).to_numpy().tobytes()).hexdigest()
    _write(result, issued, digest)
    missing = natural_sorted(set(result.zone[~np.isfinite(result.load_kw)].tolist()))
    if missing:
        log.warning("no forecast for %s: no reading within a year", ", ".join(missing))
    methods = Counter(name for name, load in zip(result.method, result.load_kw, strict=True) if np.isfinite(load))
    reference = DatasetRef(
        uri=f"store:forecasts/issue_time={issued.astimezone(UTC).isoformat()}",
        sha256=digest,
        rows=int(np.isfinite(result.load_kw).sum()),
        window=Window(issued, end),
    )
    versions = sorted({version for version in result.version if version is not None})
    return {
        "issue_time": issued.astimezone(UTC).isoformat(),
        "rows": reference.rows,
        "zones": len(zones),
        "methods": dict(methods),
        "model_version": versions[-1] if versions else None,
        "temperature": result.temperature,
        "reasons": sorted(set(filter(None, result.reason)))[:5],
        "dataset": reference.model_dump(mode="json"),
    }


def _write(result: DayAhead, issued: datetime, digest: str) -> None:
    created = datetime.now(UTC)
    with session() as transaction:
        transaction.execute(delete(Forecast).where(Forecast.issue_time == issued))
        transaction.add_all(
            Forecast(
                zone=str(result.zone[row]),
                target_time=utc(result.target_time[row]),
                issue_time=issued,
                load_kw=float(result.load_kw[row]),
                load_kw_q10=_or_none(result.band_kw[row, 0]),
                load_kw_q90=_or_none(result.band_kw[row, 1]),
                method=result.method[row],
                model_version=result.version[row],
                reason=result.reason[row],
                temperature=result.temperature,
                data_sha256=digest,
                created_at=created,
            )
            for row in np.flatnonzero(np.isfinite(result.load_kw))
        )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
