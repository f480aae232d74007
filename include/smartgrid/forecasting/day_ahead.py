"""The day-ahead forecast of every zone, through the model server, with a fallback that always answers.

Chain: the promoted model, the version before it, the load of a week ago, the load of yesterday, the last week's mean.
Each row says which of them made it, and why it was not the first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.forecasting.served import ServedVersion, served_versions
from smartgrid.serving import ServingClient
from smartgrid.serving.errors import ServingError
from smartgrid.settings import Settings

log = logging.getLogger(__name__)

# A forecast this many times the zone's yearly mean is not a forecast but a fault.
PLAUSIBLE_LEVELS = 10.0


@dataclass(frozen=True, slots=True)
class DayAhead:
    """Forecast rows (n,) of all zones; `reason` is empty where the promoted model answered.

    `band_kw` (n, 2) holds the quantiles 0.1 and 0.9; NaN where the model has none, or a naive forecast took its place.
    """

    zone: npt.NDArray[np.str_]
    target_time: npt.NDArray[np.datetime64]
    load_kw: npt.NDArray[np.float64]
    band_kw: npt.NDArray[np.float64]
    method: list[str]
    version: list[int | None]
    reason: list[str]
    temperature: str


def forecast_day(
    settings: Settings,
    client: ServingClient,
    measurements: pl.DataFrame,
    weather: pl.DataFrame,
    zones: list[str],
    issue_time: datetime,
) -> DayAhead:
    """Forecast the local day that starts at `issue_time` (a local midnight) for every zone."""
    tried: list[str] = []
    for candidate in served_versions(settings):
        frame = _frame(settings, candidate, measurements, weather, zones, issue_time)
        try:
            load = client.predict(settings.model_name, frame.X, version=candidate.version)
        except ServingError as error:
            log.warning("version %d does not answer: %s", candidate.version, error)
            tried.append(f"version {candidate.version}: {error}")
            continue
        return _checked(frame, load, _band(settings, client, candidate, frame), candidate, "; ".join(tried))
    reason = "; ".join(tried) or "no model has been promoted yet"
    frame = _frame(settings, None, measurements, weather, zones, issue_time)
    everything = np.ones(len(frame), dtype=np.bool_)
    n, unknown = len(frame), np.full(len(frame), np.nan)
    band = np.full((n, 2), np.nan)
    empty = DayAhead(frame.zone, frame.target_time, unknown, band, [""] * n, [None] * n, [], "none")
    return _with_naive(empty, frame, everything, [reason] * len(frame))


def _band(
    settings: Settings, client: ServingClient, served: ServedVersion, frame: FeatureFrame
) -> npt.NDArray[np.float64]:
    """Quantiles 0.1 and 0.9 (n, 2) of the version that answered."""
    try:
        found = client.predict_named(
            settings.model_name, {"features": frame.X}, version=served.version, signature_name="quantiles"
        )
        band: npt.NDArray[np.float64] = np.column_stack([found["q10"], found["q90"]]).astype(np.float64)
    except ServingError as error:
        # A model that was trained on too little history has no quantiles: the forecast stands without them.
        log.info("version %d gives no quantiles: %s", served.version, error)
        band = np.full((len(frame), 2), np.nan)
    return band


def _frame(
    settings: Settings,
    served: ServedVersion | None,
    measurements: pl.DataFrame,
    weather: pl.DataFrame,
    zones: list[str],
    issue_time: datetime,
) -> FeatureFrame:
    schema = served.schema if served else None
    return build_frame(
        measurements,
        weather,
        zones=zones,
        first_day=issue_time,
        last_day=issue_time + timedelta(hours=12),
        timezone=schema.timezone if schema else str(settings.grid_timezone),
        interval_minutes=schema.interval_minutes if schema else settings.source.interval_minutes,
        holidays=schema.holidays if schema else settings.holiday_calendar,
        temperature=schema.temperature if schema else "none",
        schema_zones=schema.zones if schema else None,
    )


def _checked(
    frame: FeatureFrame,
    load: npt.NDArray[np.float64],
    band: npt.NDArray[np.float64],
    served: ServedVersion,
    why_not_first: str,
) -> DayAhead:
    """Take the model's answer where it is plausible, the naive forecast elsewhere."""
    level = frame.column("level_kw")
    bad = ~np.isfinite(load) | (load > PLAUSIBLE_LEVELS * level)
    answered = DayAhead(
        frame.zone,
        frame.target_time,
        load,
        band,
        [served.method] * len(frame),
        [served.version] * len(frame),
        [_note(why_not_first, bool(np.isfinite(row).all())) for row in frame.X],
        frame.schema.temperature,
    )
    if not bad.any():
        return answered
    reasons = [f"version {served.version} answered {value:g} kW, which is not plausible" for value in load]
    return _with_naive(answered, frame, bad, reasons)


def _note(why_not_first: str, complete: bool) -> str:
    notes = [why_not_first] if why_not_first else []
    if not complete:
        notes.append("some features were missing and replaced by their means")
    return "; ".join(notes)


def _with_naive(answered: DayAhead, frame: FeatureFrame, where: npt.NDArray[np.bool_], reasons: list[str]) -> DayAhead:
    """Replace rows by the best naive forecast that history allows."""
    level = frame.column("level_kw")
    options = {
        "weekly_naive": frame.column("lag_7d") * level,
        "daily_naive": frame.column("lag_1d") * level,
        "last_week_mean": frame.column("last_week_mean") * level,
        "level": level,
    }
    load, band, method, version, reason = (
        answered.load_kw.copy(),
        answered.band_kw.copy(),
        list(answered.method),
        list(answered.version),
        list(answered.reason) or [""] * len(frame),
    )
    for row in np.flatnonzero(where):
        name = next((name for name, values in options.items() if np.isfinite(values[row])), None)
        if name is None:
            continue  # a zone without any reading in a year: no forecast, reported by the caller
        load[row], method[row], version[row], reason[row] = options[name][row], name, None, reasons[row]
        band[row] = np.nan
    return DayAhead(answered.zone, answered.target_time, load, band, method, version, reason, answered.temperature)


def utc(moment: np.datetime64) -> datetime:
    """A time of the feature frame as a timezone-aware datetime."""
    value = moment.astype("datetime64[us]").astype(datetime)
    assert isinstance(value, datetime)
    return value.replace(tzinfo=UTC)
