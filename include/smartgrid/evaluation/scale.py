"""The scale of MASE: how wrong the weekly naive forecast is on the data before the judged period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from smartgrid.evaluation.backtest import SYSTEM


def weekly_naive_scales(measurements: pl.DataFrame, before: datetime) -> dict[str, float]:
    """Mean absolute difference to the load a week earlier, in kW, by zone and for the system total."""
    past = measurements.filter(pl.col("time") < before.astimezone(UTC)).select("zone", "time", "load_kw")
    zones = past["zone"].n_unique()
    total = (
        past.group_by("time", maintain_order=True)
        .agg(pl.col("load_kw").sum(), pl.len().alias("_zones"))
        .filter(pl.col("_zones") == zones)
        .select(pl.lit(SYSTEM).alias("zone"), "time", "load_kw")
    )
    both = pl.concat([past, total])
    week_ago = both.select("zone", pl.col("time") + timedelta(days=7), pl.col("load_kw").alias("week_ago_kw"))
    scales = (
        both.join(week_ago, on=["zone", "time"])
        .group_by("zone", maintain_order=True)
        .agg((pl.col("load_kw") - pl.col("week_ago_kw")).abs().mean().alias("scale_kw"))
    )
    return dict(zip(scales["zone"].to_list(), scales["scale_kw"].to_list(), strict=True))
