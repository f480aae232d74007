"""Is a forecast physically possible? No negative load where there never was one, no leap, no gap, no flat line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

# Of the jumps that were measured; the largest ones themselves may be meter faults.
JUMP_QUANTILE = 0.999


def plausibility(
    table: pl.DataFrame, measurements: pl.DataFrame, *, interval_minutes: int, timezone: str, start: datetime
) -> dict[str, float]:
    """Findings on a backtest `table`, measured against the history before `start`.

    Args:
        table: rows that a forecast is expected for; those of a zone without any history are the caller's to leave out.

    Returns:
        `missing_rows`: measured, but not forecast. `negative_rows`: forecasts below zero in zones that never were.
        `constant_zones`: zones whose forecasts are all equal while their load is not. `jump_ratio`: of the worst zone,
        the largest jump between neighbouring intervals of one forecast over the 0.999 quantile of the jumps in its
        history, both relative to the mean of their day; 0 where nothing can be compared.
    """
    history = measurements.filter(pl.col("time") < start.astimezone(UTC))
    return {
        "missing_rows": float(
            table.filter(pl.col("actual_kw").is_finite() & ~pl.col("predicted_kw").is_finite()).height
        ),
        "negative_rows": float(_negative(table, history)),
        "constant_zones": float(_constant(table)),
        "jump_ratio": _jump_ratio(table, history, interval_minutes, timezone),
    }


def _negative(table: pl.DataFrame, history: pl.DataFrame) -> int:
    lowest = history.group_by("zone").agg(pl.col("load_kw").min().alias("lowest_kw"))
    never = table.join(lowest, on="zone").filter(pl.col("lowest_kw") >= 0)
    return never.filter(pl.col("predicted_kw") < 0).height


def _constant(table: pl.DataFrame) -> int:
    spread = (
        table.filter(pl.col("actual_kw").is_finite() & pl.col("predicted_kw").is_finite())
        .group_by("zone")
        .agg(
            (pl.col("predicted_kw").max() - pl.col("predicted_kw").min()).alias("predicted"),
            (pl.col("actual_kw").max() - pl.col("actual_kw").min()).alias("actual"),
        )
    )
    return spread.filter((pl.col("predicted") == 0) & (pl.col("actual") > 0)).height


def _jump_ratio(table: pl.DataFrame, history: pl.DataFrame, interval_minutes: int, timezone: str) -> float:
    measured = _relative_jumps(history.select("zone", "time", "load_kw"), interval_minutes, timezone)
    limits = measured.group_by("zone").agg(pl.col("jump").quantile(JUMP_QUANTILE, "linear").alias("limit"))
    # From one day's forecast to the next a jump may be news, such as an outage, and is none of the model.
    forecast = _relative_jumps(
        table.select(
            "zone", pl.col("target_time").alias("time"), pl.col("predicted_kw").alias("load_kw"), "issue_time"
        ),
        interval_minutes,
        timezone,
    )
    worst = (
        forecast.group_by("zone")
        .agg(pl.col("jump").max())
        .join(limits, on="zone")
        .filter(pl.col("limit") > 0)
        .select((pl.col("jump") / pl.col("limit")).max())
        .item()
    )
    return float(worst) if worst is not None and np.isfinite(worst) else 0.0


def _relative_jumps(loads: pl.DataFrame, interval_minutes: int, timezone: str) -> pl.DataFrame:
    """zone, jump: steps between neighbouring intervals, divided by the mean load of the local day they lead to."""
    day = pl.col("time").dt.convert_time_zone(timezone).dt.date()
    series = ["zone", "issue_time"] if "issue_time" in loads.columns else ["zone"]
    return (
        loads.filter(pl.col("load_kw").is_finite())
        .sort("zone", "time")
        .with_columns(
            (pl.col("load_kw") - pl.col("load_kw").shift(1).over(series)).abs().alias("step_kw"),
            (pl.col("time") - pl.col("time").shift(1).over(series)).alias("gap"),
            pl.col("load_kw").mean().over("zone", day).alias("day_kw"),
        )
        .filter((pl.col("gap") == timedelta(minutes=interval_minutes)) & (pl.col("day_kw") > 0))
        .select("zone", (pl.col("step_kw") / pl.col("day_kw")).alias("jump"))
    )
