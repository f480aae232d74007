"""Fix the data of a training run before anything is trained."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl

from smartgrid import clock
from smartgrid.automl.run_folder import Snapshot, folder, load_snapshot, save_snapshot
from smartgrid.automl.trainer import NotEnoughHistory
from smartgrid.features.build import LOOKBACK_DAYS
from smartgrid.features.calendar import local_midnight
from smartgrid.features.schema import Temperature
from smartgrid.lake import Window, read_measurements, read_weather, write_parquet
from smartgrid.lake.measurements import natural_sorted
from smartgrid.settings import Settings, get_settings

log = logging.getLogger(__name__)

TemperatureChoice = Literal["auto", "forecast", "actual", "none"]

MIN_TRAIN_DAYS = 28
MIN_ZONE_DAYS = 28
MIN_BACKTEST_DAYS = 7
COVERED = 0.9
SLOTS_OF_COVER = 23  # hours of the shortest day


def take_snapshot(days: int, backtest_days: int, temperature: TemperatureChoice, key: str = "") -> Snapshot:
    """Write the measurements and weather known now to the run's folder.

    Args:
        days: days of history before the backtest; fewer are used where there are fewer.
        temperature: `auto` takes temperature forecasts where the lake has them for the coming day, else the measured
            values that stand in for them under the replay clock, else none.
        key: distinguishes runs on the same data; the same key gives the same run.

    Raises:
        NotEnoughHistory
    """
    settings = get_settings()
    timezone = settings.grid_timezone
    now = clock.now(settings)
    end = local_midnight(now, timezone)
    window = Window(end - timedelta(days=days + backtest_days + LOOKBACK_DAYS), end)
    measurements = read_measurements(settings.lake_root, window, as_of=now)
    weather = read_weather(settings.lake_root, Window(window.start, end + timedelta(days=2)), as_of=None)
    zones = trainable_zones(measurements, settings.source.interval_minutes)
    first = measurements["time"].min()
    have_days = (end - first).days if isinstance(first, datetime) and zones else 0
    if have_days < MIN_TRAIN_DAYS + MIN_BACKTEST_DAYS:
        raise NotEnoughHistory(have_days, MIN_TRAIN_DAYS + MIN_BACKTEST_DAYS, "snapshot")
    if backtest_days > (affordable := max(MIN_BACKTEST_DAYS, have_days // 3)):
        log.warning("%d days of history: backtest of %d days instead of %d", have_days, affordable, backtest_days)
        backtest_days = affordable
    assert isinstance(first, datetime)
    backtest_start = local_midnight(end - timedelta(days=backtest_days), timezone)
    train_start = local_midnight(max(first, backtest_start - timedelta(days=days)), timezone)
    chosen = choose_temperature(temperature, measurements, weather, zones, end)
    content = hashlib.sha256(measurements.select("zone", "time", "load_kw").hash_rows(seed=0).to_numpy().tobytes())
    identity = "|".join([content.hexdigest(), str(window), str(days), str(backtest_days), chosen, key])
    run_id = f"{end:%Y%m%d}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    if (folder(run_id) / "snapshot.json").exists():
        return load_snapshot(run_id)
    base = str(folder(run_id))
    snapshot = Snapshot(
        run_id=run_id,
        measurements=write_parquet(measurements, f"{base}/measurements.parquet", window, run_id),
        weather=write_parquet(weather, f"{base}/weather.parquet", window, run_id),
        zones=zones,
        train_start=train_start.astimezone(UTC),
        backtest_start=backtest_start.astimezone(UTC),
        end=end.astimezone(UTC),
        timezone=str(timezone),
        interval_minutes=settings.source.interval_minutes,
        holidays=settings.holiday_calendar,
        temperature=chosen,
        seed=settings.training.seed,
    )
    save_snapshot(snapshot)
    return snapshot


def trainable_zones(measurements: pl.DataFrame, interval_minutes: int) -> list[str]:
    """Zones with at least 28 days of readings; younger ones are served by the pooled model."""
    need = MIN_ZONE_DAYS * 24 * 60 // interval_minutes
    counts = measurements.group_by("zone").len().filter(pl.col("len") >= need)
    return natural_sorted(counts["zone"].to_list())


def choose_temperature(
    wanted: TemperatureChoice, measurements: pl.DataFrame, weather: pl.DataFrame, zones: list[str], end: datetime
) -> Temperature:
    """Which temperature the run uses: what the coming forecast will have, if history has it too."""
    if wanted != "auto":
        return wanted
    history = measurements.filter(pl.col("zone").is_in(zones))
    known = history["temperature_c"].is_not_null() & history["temperature_c"].is_not_nan()
    if history.is_empty() or known.sum() < COVERED * history.height:
        return "none"
    coming = weather.filter(
        pl.col("time").is_between(end.astimezone(UTC), (end + timedelta(days=1)).astimezone(UTC), closed="left")
    )
    for kind in ("forecast", "actual"):
        part = coming.filter(pl.col("kind") == kind)
        # Most hours of most zones: two hours of tomorrow's weather are no forecast.
        if part.height >= COVERED * len(zones) * SLOTS_OF_COVER and part["zone"].n_unique() >= COVERED * len(zones):
            return kind
    return "none"


def snapshot_of(
    settings: Settings,
    run_id: str,
    measurements: pl.DataFrame,
    weather: pl.DataFrame,
    start: datetime,
    end: datetime,
    history_days: int,
    temperature: Temperature,
) -> Snapshot:
    """A snapshot that is not stored: for a backtest of any period from the command line."""
    nowhere = Window(start - timedelta(days=history_days), end)
    from smartgrid.lake import DatasetRef

    unstored = DatasetRef(uri="memory", sha256="", rows=measurements.height, window=nowhere, run=run_id)
    return Snapshot(
        run_id=run_id,
        measurements=unstored,
        weather=unstored,
        zones=trainable_zones(measurements, settings.source.interval_minutes),
        train_start=(start - timedelta(days=history_days)).astimezone(UTC),
        backtest_start=start.astimezone(UTC),
        end=end.astimezone(UTC),
        timezone=str(settings.grid_timezone),
        interval_minutes=settings.source.interval_minutes,
        holidays=settings.holiday_calendar,
        temperature=temperature,
        seed=settings.training.seed,
    )
