"""How fast is the validation, and how do well-known libraries do on the same rows?

    python bench/validation.py [--rows 1000000] [--no-peers]

Makes hourly data of 20 zones with one percent of broken rows and measures, in this order: the columnar pass (all row
checks, data in memory), the whole step `quality.validate` in a fresh process (Great Expectations, lake, store), and
the peers of `peers/validation.py` in an environment of their own, made for this run and removed after it.
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
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from smartgrid.quality.accounting import split
from smartgrid.quality.columnar import judge
from smartgrid.quality.landing import LANDING_SCHEMA
from smartgrid.quality.rules import Rules, microseconds

ZONES = 20
START = datetime(2000, 1, 1, tzinfo=UTC)
PEERS = ["pandera[polars,pandas]", "great-expectations==1.24.1", "pandas<3", "polars", "pyarrow"]
REPEAT = 15


def make_rows(rows: int, seed: int = 1) -> pl.DataFrame:
    """Landing rows, zone by zone: daily, weekly and yearly shape, noise, temperature; 1 % broken in six ways."""
    random = np.random.default_rng(seed)
    hours = rows // ZONES
    hour = np.arange(hours)
    temperature = 11 - 12 * np.cos(hour / 8766 * 2 * np.pi) - 4 * np.cos((hour - 4) / 24 * 2 * np.pi)
    shape = (
        1
        + 0.25 * np.sin((hour - 8) / 24 * 2 * np.pi)
        + 0.08 * ((hour // 24) % 7 < 5)
        + 0.012 * np.abs(temperature - 16)
    )
    load = np.concatenate(
        [1000.0 * 1.3**zone * shape * np.exp(0.04 * random.standard_normal(hours)) for zone in range(ZONES)]
    )
    warm = np.concatenate([temperature + random.standard_normal(hours) for _ in range(ZONES)])
    broken = random.choice(len(load), len(load) // 100, replace=False)
    text = np.full(len(load), None, dtype=object)
    for way, part in enumerate(np.array_split(broken, 6)):
        if way == 0:
            load[part] *= -1
        elif way == 1:
            load[part] *= 8
        elif way == 2:
            load[part] = np.nan
            text[part] = "#REF!"
        elif way == 3:
            load[part] *= 1000
        elif way == 4:
            warm[part] = 99.0
        else:
            load[part] = 0.0
    times = pl.datetime_range(START, START + timedelta(hours=hours - 1), "1h", time_unit="us", eager=True)
    frame = pl.DataFrame(
        {
            "row_number": np.arange(len(load)),
            "zone": pl.Series([f"Z{zone + 1}" for zone in range(ZONES)]).gather(np.repeat(np.arange(ZONES), hours)),
            "time": pl.concat([times] * ZONES, rechunk=True),
            "load_kw": pl.Series(load).fill_nan(None),
            "temperature_c": warm,
            "raw_load": pl.Series(text.tolist(), dtype=pl.String),
        }
    ).with_columns(available_at=pl.col("time") + pl.duration(hours=1), source_ref=pl.lit("bench"))
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in LANDING_SCHEMA.items() if name not in frame.columns]
    frame = frame.with_columns(missing)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in LANDING_SCHEMA.items()).rechunk()


def columnar_seconds(frame: pl.DataFrame) -> tuple[float, float, int]:
    """Wall and CPU seconds, best of several (other work on the machine can only add time), and rows rejected."""
    rules = Rules(interval_us=3_600_000_000, future_from_us=microseconds(datetime(2100, 1, 1, tzinfo=UTC)))
    wall = cpu = float("inf")
    for _ in range(REPEAT):
        began, used = time.perf_counter(), time.process_time()
        judgement = judge(frame, rules)
        wall, cpu = min(wall, time.perf_counter() - began), min(cpu, time.process_time() - used)
    return wall, cpu, split("bench", frame, judgement).rejected.height


def step_seconds(folder: Path) -> tuple[float, float]:
    """`smartgrid step quality.validate` on one landed batch, from the start of the process to its end."""
    environment = {**os.environ, "SMARTGRID_HOME": str(folder / "home"), "SMARTGRID_SOURCE__TIMEZONE": "UTC"}
    land = (
        "import sys, polars as pl; from datetime import UTC, datetime, timedelta; from smartgrid import lake;"
        "from smartgrid.settings import get_settings; from smartgrid.store import migrate, session;"
        "from smartgrid.store.models import Batch; migrate(); frame = pl.read_parquet(sys.argv[1]);"
        "w = lake.Window(frame['time'].min(), frame['time'].max() + timedelta(hours=1));"
        "ref = lake.write_parquet(frame, get_settings().lake_root + '/landing/bench.parquet', w);\n"
        "with session() as s: s.add(Batch(batch_id='bench', source='bench', window_start=w.start, window_end=w.end,"
        "uri=ref.uri, sha256=ref.sha256, rows=ref.rows, ingested_at=datetime.now(UTC), status='landed'))"
    )
    subprocess.run([sys.executable, "-c", land, str(folder / "rows.parquet")], env=environment, check=True)
    began, used = time.perf_counter(), _children_cpu()
    subprocess.run(
        [sys.executable, "-m", "smartgrid", "step", "quality.validate"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began, _children_cpu() - used


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peer_seconds(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds and rows found of each peer, in a throwaway environment."""
    python = folder / "peers" / "bin" / "python"
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "-q", "-p", sys.executable, str(folder / "peers")], check=True)
        subprocess.run(["uv", "pip", "install", "-qq", "-p", str(python), *PEERS], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder / "peers")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", *PEERS], check=True)
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("peers") / "validation.py"), str(folder / "rows.parquet")],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"},
    )
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    frame = make_rows(arguments.rows)
    with tempfile.TemporaryDirectory(prefix="bench-validation-") as name:
        folder = Path(name)
        frame.write_parquet(folder / "rows.parquet")
        rows = frame.height
        print(f"{rows:,} rows, {ZONES} zones, {os.cpu_count()} cores; best of {REPEAT} where in memory\n")
        print(f"{'':<44}{'wall s':>8}{'CPU s':>8}{'rows/s':>12}{'rejected':>10}{'CPU x ours':>12}")
        wall, ours, found = columnar_seconds(frame)
        _line("columnar pass (18 reasons), zone by zone", wall, ours, rows, found, ours)
        wall, cpu, found = columnar_seconds(frame.sort("time", maintain_order=True))
        _line("columnar pass, hour by hour", wall, cpu, rows, found, ours)
        wall, cpu, found = columnar_seconds(frame.sample(fraction=1.0, shuffle=True, seed=1))
        _line("columnar pass, shuffled", wall, cpu, rows, found, ours)
        wall, cpu = step_seconds(folder)
        _line("whole step with GX, fresh process", wall, cpu, rows, found, ours)
        if not arguments.no_peers:
            for peer, result in peer_seconds(folder).items():
                _line(peer, result["wall_s"], result["cpu_s"], rows, int(result["rejected"]), ours)
    print("\nPeers check nulls, ranges and uniqueness only: no neighbours (spike, flat line), no zone levels.")


def _line(name: str, wall_s: float, cpu_s: float, rows: int, rejected: int, ours_cpu_s: float) -> None:
    ratio = cpu_s / ours_cpu_s
    print(f"{name:<44}{wall_s:>8.3f}{cpu_s:>8.3f}{rows / wall_s:>12,.0f}{rejected:>10,}{ratio:>12.1f}", flush=True)


if __name__ == "__main__":
    main()
