"""Quantiles of the winner: calibrated on the selection window, measured on the test window."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.automl.run_folder import folder, load_json, save_json
from smartgrid.evaluation.conformal import QUANTILES, calibrate, measured

QUANTILES_FILE = "quantiles.json"


def calibrate_winner(
    run_id: str, selection: pl.DataFrame, test: pl.DataFrame, levels: pl.DataFrame, slots_per_day: int
) -> dict[str, Any] | None:
    """Write the residual quantiles of the winner to the run's folder and say what they are worth.

    Args:
        selection, test: backtest of the winner on each window.
        levels: zone, target_time, level_kw, slot.

    Returns:
        `coverage_percent` of the interval from 0.1 to 0.9, `width_percent`, `mean_pinball_kw`, `pinball_kw_q10` and so
        on, `below_percent_q10` and so on, `rows` and `calibration_rows`; None without a selection window to learn from.
    """
    path = folder(run_id) / QUANTILES_FILE
    known, new = _columns(selection, levels), _columns(test, levels)
    found = calibrate(*known, slots_per_day)
    if found is None:
        path.unlink(missing_ok=True)
        return None
    actual, predicted, level, slot = new
    floor_kw = 0.0 if not len(known[0]) or np.nanmin(known[0], initial=0.0) >= 0 else -np.inf
    worth = measured(actual, found.forecast(predicted, level, slot, floor_kw=floor_kw))
    save_json(path, {"quantiles": list(QUANTILES), "residual_quantiles": found.values.tolist(), "rows": found.rows})
    if worth is None:
        return None
    below, pinball = worth.pop("below_percent"), worth.pop("pinball_kw")
    named = {f"q{round(float(quantile) * 100)}": quantile for quantile in pinball}
    return (
        worth
        | {f"pinball_kw_{name}": pinball[quantile] for name, quantile in named.items()}
        | {f"below_percent_{name}": below[quantile] for name, quantile in named.items()}
        | {"calibration_rows": found.rows}
    )


def residual_quantiles(run_id: str) -> npt.NDArray[np.float64] | None:
    """Residuals relative to the level of the winner (slots, 3) for quantiles 0.1, 0.5 and 0.9; None: not calibrated."""
    path = folder(run_id) / QUANTILES_FILE
    return np.array(load_json(path)["residual_quantiles"], dtype=np.float64) if path.is_file() else None


def _columns(
    table: pl.DataFrame, levels: pl.DataFrame
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    rows = table.join(levels, on=["zone", "target_time"])
    return (
        rows["actual_kw"].to_numpy(),
        rows["predicted_kw"].to_numpy(),
        rows["level_kw"].to_numpy(),
        rows["slot"].to_numpy().astype(np.int64),
    )
