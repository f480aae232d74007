"""Backtest the winner with actual, forecast and no temperature, side by side."""

from __future__ import annotations

from typing import Any

from smartgrid.automl.candidate import moment
from smartgrid.automl.child_process import run_limited
from smartgrid.automl.run_folder import Snapshot, candidate_folder, folder, load_json, load_snapshot, save_json
from smartgrid.automl.trainer import Progress
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import FOUR_WEEKLY, FOUR_WEEKLY_MAX_FIT_S, SYSTEM, rolling_origin, system_total
from smartgrid.evaluation.metrics import score
from smartgrid.evaluation.regimes import has_actual, has_forecast, mean_absolute_error_c, without_temperature
from smartgrid.evaluation.scale import weekly_naive_scales
from smartgrid.lake import read_parquet
from smartgrid.settings import get_settings

REGIMES_S = 600.0
REGIMES = ("actual", "forecast", "none")


def compare_regimes(snapshot: Snapshot, winner: str, progress: Progress) -> list[dict[str, Any]]:
    """Scores of the system total under each temperature regime, with refits every four weeks; with one fit where a
    fit of the winner takes more than 15 s.

    Returns:
        One row a regime: `temperature`, `own` (it is the regime of the run), `refit_days`, `forecast_error_c` (mean
        absolute error of the temperature forecasts, for that regime) and the metrics, or the `reason` why not.
    """
    path = folder(snapshot.run_id) / "regimes.json"
    if path.exists():
        known: dict[str, Any] = load_json(path)
        if known["winner"] == winner:
            rows: list[dict[str, Any]] = known["rows"]
            return rows
    reasons = _unavailable(snapshot)
    scores: dict[str, Any] = {}
    refit_days = _refit_days(snapshot, winner)
    possible = [name for name in REGIMES if name not in reasons]
    if possible != ["none"]:
        try:
            scores = run_limited(
                "smartgrid.automl.regime_backtest:regimes_in_child",
                {"run_id": snapshot.run_id, "name": winner, "regimes": possible, "refit_days": refit_days},
                wall_s=REGIMES_S,
                memory_mb=get_settings().training.memory_limit_mb,
                threads=2,
                progress=progress,
            )
        except SmartGridError as error:
            progress(f"temperature regimes could not be compared: {error}")
            reasons |= dict.fromkeys(possible, f"{type(error).__name__}: {str(error)[:200]}")
    else:
        reasons["none"] = "the same as the scores of the winner: the run uses no temperature"
    errors = {"forecast": _forecast_error_c(snapshot)} if "forecast" in scores else {}
    rows = [
        {
            "temperature": name,
            "own": name == snapshot.temperature,
            "refit_days": refit_days,
            "forecast_error_c": errors.get(name),
            **(scores[name] if name in scores else {"reason": reasons[name]}),
        }
        for name in REGIMES
    ]
    if scores or possible == ["none"]:
        save_json(path, {"winner": winner, "rows": rows})
    return rows


def _refit_days(snapshot: Snapshot, winner: str) -> int:
    path = candidate_folder(snapshot.run_id, winner) / "candidate.json"
    fit_s = float(load_json(path).get("fit_s") or 0.0) if path.is_file() else 0.0
    whole = round((snapshot.end - snapshot.backtest_start).total_seconds() / 86400)
    return max(FOUR_WEEKLY, whole) if fit_s > FOUR_WEEKLY_MAX_FIT_S else FOUR_WEEKLY


def regimes_in_child(run_id: str, name: str, regimes: list[str], refit_days: int, progress: Progress) -> dict[str, Any]:
    """Metrics by regime; runs in a process with limits."""
    import joblib

    snapshot = load_snapshot(run_id)
    start, end = moment(snapshot.backtest_start), moment(snapshot.end)
    scale = weekly_naive_scales(read_parquet(snapshot.measurements), snapshot.backtest_start).get(SYSTEM)
    found = {}
    for regime in regimes:
        # Loaded anew each time: a recipe may remember what it was fitted on.
        recipe = joblib.load(candidate_folder(run_id, name) / "recipe.joblib")
        if regime == "none":
            frame = without_temperature(snapshot.frame())
        else:
            frame = snapshot.frame(temperature="actual" if regime == "actual" else "forecast")
        total = system_total(rolling_origin(recipe, frame, start, end, refit_days=refit_days, progress=progress))
        found[regime] = score(total["actual_kw"].to_numpy(), total["predicted_kw"].to_numpy(), scale).as_dict()
        progress(f"temperature {regime}: MAPE {found[regime]['mape_percent']} %")
    return found


def _unavailable(snapshot: Snapshot) -> dict[str, str]:
    """Regimes that cannot be had, with the reason."""
    if snapshot.temperature == "none":
        return dict.fromkeys(("actual", "forecast"), "the model was trained without temperature")
    weather, measurements = read_parquet(snapshot.weather), read_parquet(snapshot.measurements)
    reasons = {}
    if not has_actual(measurements, snapshot.backtest_start, snapshot.end):
        reasons["actual"] = "the data have no measured temperature for most of the window"
    if not has_forecast(weather, snapshot.zones, snapshot.backtest_start, snapshot.end, snapshot.interval_minutes):
        reasons["forecast"] = "the data have no temperature forecasts for most of the window"
    return reasons


def _forecast_error_c(snapshot: Snapshot) -> float | None:
    return mean_absolute_error_c(
        read_parquet(snapshot.weather), read_parquet(snapshot.measurements), snapshot.backtest_start, snapshot.end
    )
