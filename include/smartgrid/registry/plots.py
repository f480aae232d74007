"""Plots that are logged with a run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

SYSTEM = "SYSTEM"


def write_plots(folder: Path, rows: list[dict[str, Any]], backtest: pl.DataFrame, winner: str) -> list[Path]:
    """`forecast_against_actual.png` (the system total over the last week of the backtest) and `leaderboard.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = [folder / "forecast_against_actual.png", folder / "leaderboard.png"]
    _forecast_against_actual(plots[0], backtest, winner)
    _leaderboard(plots[1], rows, winner)
    return plots


def last_week(backtest: pl.DataFrame) -> pl.DataFrame:
    """Sum over zones of the last seven days: target_time, actual_kw, predicted_kw; hours that a zone lacks are left
    out, because their sum would be too low."""
    zones = backtest.filter(pl.col("zone") != SYSTEM)
    both = pl.col("actual_kw").is_finite() & pl.col("predicted_kw").is_finite()
    total = (
        zones.filter(both)
        .group_by("target_time")
        .agg(pl.col("actual_kw").sum(), pl.col("predicted_kw").sum(), pl.len().alias("zones"))
        .filter(pl.col("zones") == zones["zone"].n_unique())
        .sort("target_time")
    )
    return total.filter(pl.col("target_time") > pl.col("target_time").max() - timedelta(days=7))


def _figure(width_in: float, height_in: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _forecast_against_actual(path: Path, backtest: pl.DataFrame, winner: str) -> None:
    week = last_week(backtest)
    figure, axes = _figure(11, 4)
    times = week["target_time"].to_list()
    axes.plot(times, (week["actual_kw"] / 1000).to_list(), color="black", linewidth=1.2, label="measured")
    axes.plot(times, (week["predicted_kw"] / 1000).to_list(), color="tab:orange", linewidth=1.2, label=winner)
    axes.set_ylabel("load of all zones, MW")
    axes.set_title("Day-ahead forecast, last week of the backtest (UTC)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)


def _leaderboard(path: Path, rows: list[dict[str, Any]], winner: str) -> None:
    scores = sorted(
        (float(row["mape_percent"]), str(row["candidate"]))
        for row in rows
        if row["zone"] == SYSTEM and row.get("mape_percent") is not None
    )
    figure, axes = _figure(8, 1 + 0.5 * max(1, len(scores)))
    names = [name for _, name in scores]
    bars = axes.barh(
        names,
        [value for value, _ in scores],
        color=["tab:orange" if name == winner else "tab:grey" for name in names],
    )
    axes.bar_label(bars, fmt="%.2f %%", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("MAPE of the system total over the backtest, %")
    figure.savefig(path, dpi=90)
