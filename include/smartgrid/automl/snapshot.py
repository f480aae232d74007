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
MIN_SELECTION_DAYS = 7
LAG_WARM_UP_DAYS = 7  # the first week has no load of a week ago and trains nothing
COVERED = 0.9
SLOTS_OF_COVER = 23  # hours of the shortest day


def take_snapshot(
    days: int,
    backtest_days: int,
    temperature: TemperatureChoice,
    key: str = "",
    selection_days: int | None = None,
    *,
    record_may_end: bool = False,
) -> Snapshot:
    """Write the measurements and weather known now to the run's folder.

    Args:
        days: days of history before the backtest; fewer are used where there are fewer.
        backtest_days: days of the test window at the end of the data.
        selection_days: days of the selection window before it (default: the settings'); they are taken from `days`.
        temperature: `auto` takes temperature forecasts where the lake has them for the coming day, else the measured
            values that stand in for them under the replay clock, else none.
        key: distinguishes runs on the same data; the same key gives the same run.
        record_may_end: `auto` of a replay that has no coming day left takes what the last recorded day has. A model
            that is to forecast that coming day would have to do without.

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
    before_test_days = (backtest_start - train_start).days
    wanted_days = settings.training.selection_days if selection_days is None else selection_days
    chosen_days = affordable_selection_days(wanted_days, before_test_days)
    select_start = local_midnight(backtest_start - timedelta(days=chosen_days), timezone)
    nothing_comes = settings.clock == "replay" and weather.filter(pl.col("time") >= end.astimezone(UTC)).is_empty()
    chosen = choose_temperature(
        temperature, measurements, weather, zones, end, record_ends=record_may_end and nothing_comes
    )
    content = hashlib.sha256(measurements.select("zone", "time", "load_kw").hash_rows(seed=0).to_numpy().tobytes())
    identity = "|".join(
        [content.hexdigest(), str(window), str(days), str(backtest_days), str(chosen_days), chosen, key]
    )
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
        select_start=select_start.astimezone(UTC),
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


def affordable_selection_days(wanted_days: int, before_test_days: int) -> int:
    """Days of the selection window: at most a quarter of the days before the test window, at least a week, and none
    where training would keep too few.

    >>> [affordable_selection_days(28, days) for days in (1100, 80, 42, 41)]
    [28, 20, 7, 0]
    """
    spare = before_test_days - MIN_TRAIN_DAYS - LAG_WARM_UP_DAYS
    days = min(wanted_days, max(MIN_SELECTION_DAYS, before_test_days // 4), spare)
    return days if days >= min(wanted_days, MIN_SELECTION_DAYS) else 0


def trainable_zones(measurements: pl.DataFrame, interval_minutes: int) -> list[str]:
    """Zones with at least 28 days of readings and a mean load above zero in the last year.

    Younger ones are served by the pooled model. The others have no level to scale by: without a forecast of their own
    they would leave the system total without a single row to judge on.
    """
    need = MIN_ZONE_DAYS * 24 * 60 // interval_minutes
    last_year = pl.col("time") > pl.col("time").max() - timedelta(days=365)
    zones = (
        measurements.group_by("zone")
        .agg(pl.len(), pl.col("load_kw").filter(last_year & pl.col("load_kw").is_finite()).mean().alias("level_kw"))
        .filter((pl.col("len") >= need) & (pl.col("level_kw") > 0))
    )
    return natural_sorted(zones["zone"].to_list())


def choose_temperature(
    wanted: TemperatureChoice,
    measurements: pl.DataFrame,
    weather: pl.DataFrame,
    zones: list[str],
    end: datetime,
    *,
    record_ends: bool = False,
) -> Temperature:
    """Which temperature the run uses: what the coming forecast will have, if history has it too.

    Where recorded data end at `end` (`record_ends`) there is no coming day: the last recorded one stands for it, with
    its measured temperature where it has no other.
    """
    if wanted != "auto":
        return wanted
    history = measurements.filter(pl.col("zone").is_in(zones))
    known = history["temperature_c"].is_not_null() & history["temperature_c"].is_not_nan()
    if history.is_empty() or known.sum() < COVERED * history.height:
        return "none"
    first = end - timedelta(days=1) if record_ends else end
    day = pl.col("time").is_between(first.astimezone(UTC), (first + timedelta(days=1)).astimezone(UTC), closed="left")
    coming = weather.filter(day)
    if record_ends:
        measured = history.filter(day & pl.col("temperature_c").is_finite())
        columns = [pl.lit("actual").alias("kind") if name == "kind" else pl.col(name) for name in coming.columns]
        coming = pl.concat([coming, measured.select(columns)])
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
        select_start=start.astimezone(UTC),
        backtest_start=start.astimezone(UTC),
        end=end.astimezone(UTC),
        timezone=str(settings.grid_timezone),
        interval_minutes=settings.source.interval_minutes,
        holidays=settings.holiday_calendar,
        temperature=temperature,
        seed=settings.training.seed,
    )
