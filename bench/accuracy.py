"""How accurate are the forecasts, beside what else one would take?

    python bench/accuracy.py [--start 2008-05-05 --days 56 --start 2008-01-07] [--trainers per_hour_ridge,tpot]
    python bench/accuracy.py --csv demand.csv --column time=Date --column load=Demand --unit load=MW \\
        --timezone Europe/London --holidays GB --days 28
    SMARTGRID_CONFIG=mygrid.toml python bench/accuracy.py --zone GRID --start 2014-11-03 --days 28

Day ahead from every local midnight of a window, on the embedded data, a file (--csv; the interval is read off the
times) or any configured source; without --start the last days of the data; without --zone the sum of all zones. Every
trainer searches on the days before the selection window, is refitted as in any backtest, and the smallest error on the
selection window names the champion; the mean of the trainers takes part. Peers get the same series by local time, with
the same temperature where they take one, in environments of their own that uv makes for the run; --peer-python
NAME=PATH gives one that is there. Without searching trainers a window of eight weeks takes 100 to 150 CPU seconds,
nearly all of it the peers'. OpenSTEF 4 is not among them: it needs Python 3.12, and the environments of this bench
share the Python of the project.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from smartgrid.automl.backtest_command import load_shares, total_series, total_weather
from smartgrid.automl.candidate import moment
from smartgrid.automl.history import history
from smartgrid.automl.snapshot import choose_temperature, snapshot_of
from smartgrid.automl.trainer import Budget, trainer
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import NAIVES, naive, rolling_origin
from smartgrid.evaluation.metrics import score
from smartgrid.evaluation.scale import weekly_naive_scales
from smartgrid.features.build import LOOKBACK_DAYS
from smartgrid.features.calendar import days_and_slots, to_date
from smartgrid.features.daily_grid import DailyGrid
from smartgrid.features.frame import FeatureFrame
from smartgrid.ingest.source import open_source
from smartgrid.lake import Window
from smartgrid.settings import Settings, get_settings, load_settings

PEERS = Path(__file__).with_name("peers")
PINS = {
    "statsforecast": ["statsforecast==2.1.1", "pandas==2.3.3"],
    "mlforecast": ["mlforecast==1.1.0", "lightgbm==4.7.0", "pandas==2.3.3"],
}
LABELS = {"statsforecast": "MSTL + AutoETS (statsforecast)", "mlforecast": "LightGBM (mlforecast)"}
MEAN = "mean of the trainers"
# Summer and winter of the embedded data.
WINDOWS = [date(2008, 5, 5), date(2008, 1, 7)]


def settings_of(options: argparse.Namespace, home: Path) -> Settings:
    """The configured settings; with --csv those of the file, with nothing of the configured lake."""
    if options.csv is None:
        return get_settings()
    source = {"kind": "csv", "path": options.csv.absolute(), "timezone": options.timezone}
    source |= {"columns": pairs(options.column), "units": pairs(options.unit)}
    given = {"home": home, "timezone": options.timezone, "holidays": options.holidays}
    times = open_source(load_settings(source=source, **given)).read(load_span(load_settings(source=source, **given)))
    steps = times.sort("zone", "time").select(pl.col("time").diff().over("zone").drop_nulls())["time"]
    minutes = int(steps.filter(steps > timedelta(0)).mode().sort()[0].total_seconds() // 60)
    return load_settings(source=source | {"interval_minutes": minutes}, **given)


def load_span(settings: Settings) -> Window:
    return open_source(settings).span()


def pairs(given: list[str]) -> dict[str, str]:
    return dict(item.split("=", 1) for item in given)


def last_days(settings: Settings, days: int) -> date:
    """First local day of the last `days` whole days of the source."""
    end = load_span(settings).end.astimezone(settings.grid_timezone).date()
    return end - timedelta(days=days)


@dataclass(frozen=True)
class Task:
    """One window: the frame of our models, and the series by local time that the peers read."""

    start: date
    days: int
    begin: np.datetime64
    end: np.datetime64
    selection: np.datetime64
    frame: FeatureFrame
    scale_kw: float | None
    series: pl.DataFrame
    temperature: str


def prepare(settings: Settings, start: date, days: int, options: argparse.Namespace) -> Task:
    zone_info = settings.grid_timezone
    first = datetime(start.year, start.month, start.day, tzinfo=zone_info)
    end = first + timedelta(days=days)
    reach = timedelta(days=options.history_days + options.selection_days + LOOKBACK_DAYS)
    measurements, weather, _ = history(settings, Window(first - reach, end))
    if options.zone:
        measurements = measurements.filter(pl.col("zone") == options.zone)
        weather = weather.filter(pl.col("zone") == options.zone)
    elif measurements["zone"].n_unique() > 1:
        shares = load_shares(measurements, first)
        measurements, weather = total_series(measurements, shares), total_weather(weather, shares)
    have = (first - measurements["time"].min()).days
    zones = measurements["zone"].unique().to_list()
    # What the record has, day-ahead forecasts first: all of the window is past.
    second = first + timedelta(days=1)
    used = choose_temperature(options.temperature, measurements, weather, zones, second, record_ends=True)
    snapshot = snapshot_of(
        settings, f"bench-{start}", measurements, weather, first, end, min(options.history_days, have), used
    )
    selection_days = min(options.selection_days, max(7, have // 4))
    return Task(
        start,
        days,
        moment(first),
        moment(end),
        moment(first - timedelta(days=selection_days)),
        snapshot.frame_of(measurements, weather, None),
        weekly_naive_scales(measurements, first).get(zones[0]),
        local_series(measurements, weather, str(zone_info), settings.source.interval_minutes, used),
        used,
    )


def local_series(
    measurements: pl.DataFrame, weather: pl.DataFrame, timezone: str, interval_minutes: int, temperature: str
) -> pl.DataFrame:
    """A row for every slot of every local day, gaps filled: what libraries of regular series want."""
    per_day = 24 * 60 // interval_minutes

    def grid(rows: pl.DataFrame, column: str, base: int, n_days: int) -> np.ndarray:
        days, slots = days_and_slots(rows["time"], timezone, interval_minutes)
        values = rows[column].to_numpy()
        return DailyGrid.build(days, slots, values, base, n_days, per_day).filled().ravel()

    days, _ = days_and_slots(measurements["time"], timezone, interval_minutes)
    base, n_days = int(days.min()), int(days.max() - days.min() + 1)
    first = datetime.combine(to_date(base), datetime.min.time())
    stamps = pl.datetime_range(
        first, first + timedelta(days=n_days), timedelta(minutes=interval_minutes), closed="left", eager=True
    )
    table = pl.DataFrame({"ds": stamps, "y": grid(measurements, "load_kw", base, n_days)})
    if temperature != "none":
        known = grid(measurements, "temperature_c", base, n_days)
        if temperature == "forecast":
            forecast = grid(weather.filter(pl.col("kind") == "forecast"), "temperature_c", base, n_days)
            known = np.where(np.isfinite(forecast), forecast, known)
        table = table.with_columns(pl.Series("temperature", known).fill_nan(None).interpolate())
    return table.with_columns(pl.col("y").fill_nan(None).interpolate()).drop_nulls("y")


def cpu_s() -> float:
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def judged(table: pl.DataFrame, start: np.datetime64, end: np.datetime64, scale_kw: float | None) -> dict[str, Any]:
    times = table["issue_time"].dt.replace_time_zone(None).to_numpy()
    rows = table.filter(pl.Series((times >= start) & (times < end)))
    return score(rows["actual_kw"].to_numpy(), rows["predicted_kw"].to_numpy(), scale_kw).as_dict()


def our_models(task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each trainer, for their mean, and for the champion that the selection window names."""
    rows, tables = [], {}
    before = task.frame.where(task.frame.target_time < task.selection)
    for name in filter(None, options.trainers.split(",")):
        began = cpu_s()
        try:
            recipe = trainer(name).search(before, Budget(options.budget_s), say)
            tables[name] = rolling_origin(recipe, task.frame, task.selection, task.end, progress=say)
        except SmartGridError as error:
            rows.append({"model": name, "failed": f"{type(error).__name__}: {error}"})
            continue
        rows.append({"model": name, "cpu_s": round(cpu_s() - began, 1)})
    if len(tables) > 1:
        parts = list(tables.values())
        mean = np.mean([part["predicted_kw"].to_numpy() for part in parts], axis=0)
        tables[MEAN] = parts[0].with_columns(pl.Series("predicted_kw", mean))
        rows.append({"model": MEAN, "cpu_s": round(sum(row.get("cpu_s", 0.0) for row in rows), 1)})
    for row in rows:
        if row["model"] in tables:
            table = tables[row["model"]]
            row["selection_mape_percent"] = judged(table, task.selection, task.begin, None)["mape_percent"]
            row |= judged(table, task.begin, task.end, task.scale_kw)
    chosen = min(
        (row for row in rows if "failed" not in row), key=lambda row: row["selection_mape_percent"], default=None
    )
    return [{**chosen, "model": f"champion ({chosen['model']})"}, *rows] if chosen else rows


def peer(task: Task, name: str, python: Path, folder: Path) -> dict[str, Any]:
    series, out = folder / "series.csv", folder / f"{name}.csv"
    end = datetime.combine(task.start, datetime.min.time()) + timedelta(days=task.days)
    task.series.filter(pl.col("ds") < end).write_csv(series)
    began = cpu_s()
    done = subprocess.run(
        [str(python), str(PEERS / f"accuracy_{name}.py"), str(series), str(task.start), str(task.days), str(out)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    if done.returncode:
        return {"model": LABELS[name], "failed": done.stderr.strip().splitlines()[-1] if done.stderr else "no message"}
    forecasts = pl.read_csv(out, try_parse_dates=True).select(pl.col("ds").cast(pl.Datetime("us")), "forecast")
    rows = task.frame.between(task.begin, task.end)
    schema = rows.schema
    utc = pl.Series(rows.target_time).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(schema.timezone).dt.replace_time_zone(None).cast(pl.Datetime("us"))
    found = pl.DataFrame({"ds": local}).join(forecasts, on="ds", how="left", maintain_order="left")["forecast"]
    scores = score(rows.y_kw, found.cast(pl.Float64).fill_null(float("nan")).to_numpy(), task.scale_kw).as_dict()
    return {"model": LABELS[name], "cpu_s": round(cpu_s() - began, 1), **scores}


def environment(folder: Path, packages: list[str]) -> Path:
    """Python of a fresh environment with `packages`."""
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "-q", "-p", sys.executable, str(folder)], check=True)
        subprocess.run(["uv", "pip", "install", "-qq", "-p", str(folder / "bin" / "python"), *packages], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", *packages], check=True)
    return folder / "bin" / "python"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(task: Task, rows: list[dict[str, Any]]) -> None:
    print(f"\n{task.start}, {task.days} days, temperature: {task.temperature}")
    print(f"{'model':<34}{'MAPE %':>8}{'MASE':>8}{'RMSE kW':>14}{'CPU s':>8}")
    for row in rows:
        if "failed" in row:
            print(f"{row['model']:<34}  {row['failed']}")
            continue
        mase = "-" if row["mase"] is None else f"{row['mase']:.3f}"
        mape = "-" if row["mape_percent"] is None else f"{row['mape_percent']:.2f}"
        print(f"{row['model']:<34}{mape:>8}{mase:>8}{row['rmse_kw']:>14,.1f}{row.get('cpu_s', 0.0):>8.1f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=date.fromisoformat, action="append", help="first local day of a window")
    parser.add_argument("--days", type=int, action="append", help="length of each window; default 56")
    parser.add_argument("--csv", type=Path, help="a file or folder of CSV files instead of the configured source")
    parser.add_argument("--column", action="append", default=[], metavar="FIELD=NAME", help="of --csv, as in ingest")
    parser.add_argument("--unit", action="append", default=[], metavar="FIELD=UNIT", help="of --csv, as in ingest")
    parser.add_argument("--timezone", default="UTC", help="of the grid and of times without offset in --csv")
    parser.add_argument("--holidays", help="with --csv: country or country-subdivision")
    parser.add_argument("--zone", help="one zone instead of the sum of all")
    parser.add_argument("--temperature", choices=("auto", "actual", "forecast", "none"), default="auto")
    parser.add_argument("--trainers", default="per_hour_ridge", help="comma-separated; empty: peers only")
    parser.add_argument("--budget-s", type=float, default=60.0, help="seconds of search of each trainer")
    parser.add_argument("--history-days", type=int, default=get_settings().training.history_days)
    parser.add_argument("--selection-days", type=int, default=28)
    parser.add_argument("--peers", default=",".join(PINS), help="comma-separated; empty: none")
    parser.add_argument("--peer-python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    return parser.parse_args()


def main() -> None:
    options, began = arguments(), time.monotonic()
    lengths = options.days or [56]
    wanted = [name for name in options.peers.split(",") if name]
    given = dict(pair.split("=", 1) for pair in options.peer_python)
    found = []
    with tempfile.TemporaryDirectory(prefix="bench-accuracy-") as name:
        folder = Path(name)
        settings = settings_of(options, folder / "home")
        embedded = settings.source.kind in ("gefcom2012", "bigdeal2022")
        starts = options.start or (WINDOWS if embedded else [last_days(settings, lengths[0])])
        lengths += [lengths[-1]] * (len(starts) - len(lengths))
        pythons = {n: Path(given[n]) if n in given else environment(folder / n, PINS[n]) for n in wanted}
        for start, days in zip(starts, lengths, strict=True):
            task = prepare(settings, start, days, options)
            rows = our_models(task, options)
            for method in NAIVES:
                table = naive(task.frame, task.begin, task.end, method)
                rows.append({"model": method, **judged(table, task.begin, task.end, task.scale_kw)})
            rows += [peer(task, one, pythons[one], folder) for one in wanted]
            show(task, rows)
            found.append({"start": str(start), "days": days, "temperature": task.temperature, "rows": rows})
    if options.json:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        print(json.dumps({"made_at": made, "wall_s": round(time.monotonic() - began), "windows": found}))


if __name__ == "__main__":
    main()
