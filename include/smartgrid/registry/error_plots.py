"""Where the winner is wrong: by hour of the day, by zone, and over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from smartgrid.registry.figures import WINNER_COLOUR, new_figure, save

SHOWN_ZONES = 40


def error_by_hour(path: Path, errors: pl.DataFrame, timezone: str) -> Path:
    hours = relative_error(errors.with_columns(pl.col("local").dt.hour().alias("hour")), "hour").sort("hour")
    figure, axes = new_figure(9, 3.6)
    axes.bar(hours["hour"].to_list(), hours["mean_percent"].to_list(), color=WINNER_COLOUR)
    axes.set_xlabel(f"hour of the day, {timezone}")
    axes.set_ylabel("mean absolute error, % of load")
    axes.set_title("Error by hour of the day, mean over zones")
    axes.grid(alpha=0.3, axis="y")
    return save(figure, path)


def error_by_zone(path: Path, errors: pl.DataFrame) -> Path:
    found = relative_error(errors, "zone").sort("mean_percent", descending=True)
    shown = found.head(SHOWN_ZONES)
    figure, axes = new_figure(9, 1.2 + 0.25 * max(1, shown.height))
    axes.barh(shown["zone"].to_list(), shown["mean_percent"].to_list(), color=WINNER_COLOUR)
    axes.invert_yaxis()
    axes.set_xlabel("mean absolute error, % of load")
    more = f" (the worst {SHOWN_ZONES} of {found.height})" if found.height > SHOWN_ZONES else ""
    axes.set_title(f"Error by zone{more}")
    axes.grid(alpha=0.3, axis="x")
    return save(figure, path)


def relative_error(errors: pl.DataFrame, by: str) -> pl.DataFrame:
    """Mean over zones of the mean absolute error divided by the mean load: one huge zone does not hide the others."""
    per_zone = errors.group_by(*dict.fromkeys((by, "zone"))).agg(
        (pl.col("error_kw").abs().sum() / pl.col("actual_kw").abs().sum() * 100).alias("percent")
    )
    return (
        per_zone.filter(pl.col("percent").is_finite()).group_by(by).agg(pl.col("percent").mean().alias("mean_percent"))
    )


def residuals(path: Path, errors: pl.DataFrame) -> Path:
    level = errors.with_columns(pl.col("actual_kw").mean().over("zone").alias("level_kw"))
    level = level.filter(pl.col("level_kw") > 0)
    percent = (level["error_kw"] / level["level_kw"] * 100).to_numpy()
    bound = float(np.quantile(np.abs(percent), 0.99)) if len(percent) else 1.0
    figure, (left, right) = new_figure(11, 3.8, (1.0, 1.0))
    left.hist(np.clip(percent, -bound, bound), bins=60, color=WINNER_COLOUR)
    left.axvline(0, color="black", linewidth=0.8)
    left.set_xlabel("forecast minus measured, % of the zone's mean load (outer 1 % at the edges)")
    left.set_title("Residuals")
    days = (
        level.with_columns(pl.col("local").dt.date().alias("day"))
        .group_by("day")
        .agg((pl.col("error_kw") / pl.col("level_kw") * 100).mean().alias("bias"))
        .sort("day")
    )
    right.plot(days["day"].to_list(), days["bias"].to_list(), color=WINNER_COLOUR, marker=".", linewidth=1)
    right.axhline(0, color="black", linewidth=0.8)
    right.tick_params(axis="x", rotation=30)
    right.set_ylabel("mean residual of the day, %")
    right.set_title("Bias day by day, mean over zones")
    right.grid(alpha=0.3)
    return save(figure, path)
