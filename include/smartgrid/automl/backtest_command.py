"""A backtest of one trainer on any period, for the command line and for benchmarks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from smartgrid.automl.candidate import moment
from smartgrid.automl.history import data_end, history
from smartgrid.automl.snapshot import TemperatureChoice, choose_temperature, snapshot_of
from smartgrid.automl.trainer import Budget, NotEnoughHistory, Progress, trainer
from smartgrid.evaluation.backtest import NAIVES, SYSTEM, naive, rolling_origin, system_total
from smartgrid.evaluation.metrics import Scores, score
from smartgrid.evaluation.scale import weekly_naive_scales
from smartgrid.features.build import LOOKBACK_DAYS
from smartgrid.features.calendar import local_midnight
from smartgrid.lake import Window
from smartgrid.settings import Settings


def backtest(
    settings: Settings,
    *,
    trainer_name: str,
    start: date | None,
    days: int,
    temperature: TemperatureChoice,
    system_total_only: bool,
    zones: list[str] | None,
    history_days: int,
    budget: Budget,
    progress: Progress,
) -> dict[str, Any]:
    """Rolling-origin backtest of `days` local days from `start` (None: the last of the data); refits weekly.

    With `system_total_only` the zones are added up first and one series is forecast; a time at which a zone is
    missing has no total.

    Raises:
        NotEnoughHistory, UnknownTrainer
    """
    chosen = trainer(trainer_name)
    if start is None:
        start = local_midnight(data_end(settings), settings.grid_timezone).date() - timedelta(days=days)
    first = datetime(start.year, start.month, start.day, tzinfo=settings.grid_timezone)
    end = first + timedelta(days=days)
    window = Window(first - timedelta(days=history_days + LOOKBACK_DAYS), end)
    measurements, weather, origin = history(settings, window)
    if zones:
        measurements = measurements.filter(pl.col("zone").is_in(zones))
    if system_total_only:
        shares = load_shares(measurements, first)
        measurements, weather = total_series(measurements, shares), total_weather(weather, shares)
    earliest = measurements["time"].min()
    have = (first - earliest).days if isinstance(earliest, datetime) else 0
    if have < 28:
        raise NotEnoughHistory(have, 28, f"backtest from {start}")
    # What the record has, day-ahead forecasts first: all of the window is past.
    known_zones = measurements["zone"].unique().to_list()
    used = choose_temperature(
        temperature, measurements, weather, known_zones, first + timedelta(days=1), record_ends=True
    )
    snapshot = snapshot_of(
        settings, f"backtest-{start}", measurements, weather, first, end, min(history_days, have), used
    )
    frame = snapshot.frame_of(measurements, weather, None)
    begin, stop = moment(first), moment(end)
    recipe = chosen.search(frame.where(frame.target_time < begin), budget, progress)
    tables = {trainer_name: rolling_origin(recipe, frame, begin, stop, progress=progress)}
    tables |= {method: naive(frame, begin, stop, method) for method in NAIVES}
    scales = weekly_naive_scales(measurements, first)
    scored = {name: _scores(table, scales, system_total_only) for name, table in tables.items()}
    own = scored[trainer_name][SYSTEM]
    return {
        "trainer": trainer_name,
        "start": start.isoformat(),
        "days": days,
        "temperature": used,
        "data": origin,
        "zone": SYSTEM,
        **own.as_dict(),
        "naive": {method: scored[method][SYSTEM].as_dict() for method in NAIVES},
        "zones": {zone: values.as_dict() for zone, values in scored[trainer_name].items() if zone != SYSTEM},
    }


def load_shares(measurements: pl.DataFrame, before: datetime) -> pl.DataFrame:
    """zone, share: the part of each zone in the energy measured before a moment."""
    past = measurements.filter(pl.col("time") < before.astimezone(UTC))
    by_zone = past.group_by("zone").agg(pl.col("load_kw").mean().alias("share"))
    return by_zone.with_columns(pl.col("share") / pl.col("share").sum())


def total_series(measurements: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """The sum of all zones as zone `SYSTEM`, with the mean of their temperatures, weighted by their shares of the load:
    the weather moves the total where the load is."""
    zones = measurements["zone"].n_unique()
    return (
        measurements.join(shares, on="zone", how="left")
        .group_by("time", maintain_order=True)
        .agg(pl.col("load_kw").sum(), _weighted_temperature(), pl.col("available_at").max(), pl.len().alias("_zones"))
        .filter(pl.col("_zones") == zones)
        .select(pl.lit(SYSTEM).alias("zone"), "time", "load_kw", "temperature_c", "available_at")
        .sort("time")
    )


def total_weather(weather: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """The mean temperature of all zones, weighted by `shares`, as that of zone `SYSTEM`."""
    return (
        weather.join(shares, on="zone")
        .group_by("time", "kind", maintain_order=True)
        .agg(_weighted_temperature(), pl.col("available_at").max())
        .select(pl.lit(SYSTEM).alias("zone"), "time", "temperature_c", "kind", "available_at")
        .sort("time")
    )


def _weighted_temperature() -> pl.Expr:
    """Zones without a temperature, or without a past, have no say; null where none has."""
    weight = pl.when(pl.col("temperature_c").is_finite()).then(pl.col("share"))
    total = (pl.col("temperature_c") * weight).sum() / weight.sum()
    return pl.when(weight.sum() > 0).then(total).alias("temperature_c")


def _scores(table: pl.DataFrame, scales: dict[str, float], already_total: bool) -> dict[str, Scores]:
    both = table if already_total else pl.concat([table, system_total(table)])
    return {
        str(zone): score(part["actual_kw"].to_numpy(), part["predicted_kw"].to_numpy(), scales.get(str(zone)))
        for (zone,), part in both.group_by("zone", maintain_order=True)
    }
