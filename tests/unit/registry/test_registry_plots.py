"""Plots and what they show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from smartgrid.registry.plots import last_week, write_plots

START = datetime(2007, 12, 1, tzinfo=UTC)


def _backtest(zones: dict[str, float], hours: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"zone": zone, "target_time": START + timedelta(hours=h), "actual_kw": level, "predicted_kw": level + 1}
            for zone, level in zones.items()
            for h in range(hours)
        ]
    )


def test_last_week_sums_zones_and_leaves_the_given_total_out() -> None:
    week = last_week(_backtest({"A": 10.0, "B": 5.0, "SYSTEM": 15.0}, hours=20 * 24))
    assert week.height == 7 * 24
    assert week["actual_kw"].unique().to_list() == [15.0]
    assert week["predicted_kw"].unique().to_list() == [17.0]


def test_hours_that_a_zone_lacks_are_left_out() -> None:
    table = pl.concat([_backtest({"A": 10.0}, hours=48), _backtest({"B": 5.0}, hours=24)])
    assert last_week(table).height == 24


def test_failed_candidates_do_not_stop_the_plots(tmp_path: Path) -> None:
    rows = [
        {"candidate": "tpot", "zone": "SYSTEM", "mape_percent": 4.0},
        {"candidate": "h2o", "zone": "SYSTEM", "failed": "timed out"},
    ]
    plots = write_plots(tmp_path, rows, _backtest({"A": 10.0}, 48), "tpot")
    assert {plot.read_bytes()[:4] for plot in plots} == {b"\x89PNG"}
    assert len(plots) == 6
