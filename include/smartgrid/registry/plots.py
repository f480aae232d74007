"""Plots of a tournament as PNG files: in the run's folder and in MLflow, the first of them on the Smart Grid page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from smartgrid.registry.error_plots import error_by_hour, error_by_zone, residuals
from smartgrid.registry.figures import OTHER_COLOUR, WINNER_COLOUR, new_figure, save
from smartgrid.registry.search_plots import importance as importance_plot
from smartgrid.registry.search_plots import progress as progress_plot

SYSTEM = "SYSTEM"
PICTURE = "tournament.png"


def write_plots(
    folder: Path,
    rows: list[dict[str, Any]],
    backtest: pl.DataFrame,
    winner: str,
    *,
    timezone: str = "UTC",
    progress: dict[str, list[dict[str, Any]]] | None = None,
    importance: list[tuple[str, float]] | None = None,
) -> list[Path]:
    """Write the plots that there are figures for; return their paths, `tournament.png` first.

    Args:
        rows: the leaderboard.
        backtest: forecasts of the winner in the test window: zone, target_time, actual_kw, predicted_kw.
        timezone: of the hours of the day.
        progress: finished trials by trainer, {"at", "score"}.
        importance: features and how much shuffling each one worsens the winner, most important first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finite = backtest.filter(pl.col("actual_kw").is_finite() & pl.col("predicted_kw").is_finite())
    errors = finite.with_columns(
        (pl.col("predicted_kw") - pl.col("actual_kw")).alias("error_kw"),
        pl.col("target_time").dt.convert_time_zone(timezone).alias("local"),
    )
    paths = [_picture(folder / PICTURE, rows, backtest, winner)]
    paths.append(_forecast_against_actual(folder / "forecast_against_actual.png", backtest, winner))
    paths.append(_leaderboard(folder / "leaderboard.png", rows, winner))
    paths.append(error_by_hour(folder / "error_by_hour.png", errors, timezone))
    paths.append(error_by_zone(folder / "error_by_zone.png", errors))
    paths.append(residuals(folder / "residuals.png", errors))
    trials = {name: found for name, found in (progress or {}).items() if found}
    if trials:
        paths.append(progress_plot(folder / "tournament_progress.png", trials))
    if importance:
        paths.append(importance_plot(folder / "feature_importance.png", importance))
    return paths


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


def ranked(rows: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """(MAPE of the system total, candidate) of the scored rows, best first."""
    return sorted(
        (float(row["mape_percent"]), str(row["candidate"]))
        for row in rows
        if row.get("zone", SYSTEM) == SYSTEM and row.get("mape_percent") is not None
    )


def _picture(path: Path, rows: list[dict[str, Any]], backtest: pl.DataFrame, winner: str) -> Path:
    figure, (left, right) = new_figure(14, 4.2, (2.0, 1.0))
    _draw_week(left, backtest, winner)
    _draw_leaderboard(right, rows, winner)
    return save(figure, path)


def _forecast_against_actual(path: Path, backtest: pl.DataFrame, winner: str) -> Path:
    figure, axes = new_figure(11, 4)
    _draw_week(axes, backtest, winner)
    return save(figure, path)


def _leaderboard(path: Path, rows: list[dict[str, Any]], winner: str) -> Path:
    figure, axes = new_figure(8, 1 + 0.5 * max(1, len(ranked(rows))))
    _draw_leaderboard(axes, rows, winner)
    return save(figure, path)


def _draw_week(axes: Any, backtest: pl.DataFrame, winner: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    week = last_week(backtest)
    peak_kw = week["actual_kw"].max()
    divisor, unit = (1000, "MW") if isinstance(peak_kw, float) and peak_kw >= 20_000 else (1, "kW")
    times = week["target_time"].to_list()
    axes.plot(times, (week["actual_kw"] / divisor).to_list(), color="black", linewidth=1.2, label="measured")
    axes.plot(times, (week["predicted_kw"] / divisor).to_list(), color=WINNER_COLOUR, linewidth=1.2, label=winner)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))
    axes.set_ylabel(f"load of all zones, {unit}")
    axes.set_title("Day-ahead forecast, last week of the test window (UTC)")
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_leaderboard(axes: Any, rows: list[dict[str, Any]], winner: str) -> None:
    scores = ranked(rows)
    names = [name for _, name in scores]
    bars = axes.barh(
        names,
        [value for value, _ in scores],
        color=[WINNER_COLOUR if name == winner else OTHER_COLOUR for name in names],
    )
    axes.bar_label(bars, fmt="%.2f %%", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_xlabel("MAPE of the system total in the test window, %")
