"""A mining run on disk: what was asked, the data that it was asked of, and what each step found."""

from __future__ import annotations

import hashlib
import io
import json
import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from smartgrid import clock, lake
from smartgrid.errors import NothingToDo
from smartgrid.features.calendar import local_midnight
from smartgrid.lake import DatasetRef, Window
from smartgrid.lake.files import join, write_bytes
from smartgrid.mining.daily_loads import USUAL_DAYS, DailyLoads, daily_loads
from smartgrid.mining.run_errors import UnknownMiningRun
from smartgrid.settings import Settings, get_settings

RUN_FILE, LOADS_FILE = "run.json", "loads.npz"
REPORT_FILE, PICTURES = "report.md", "plots"
# One more day before the history: the first change against the day before, and the first ramp.
HISTORY_DAYS = USUAL_DAYS + 1


class RunFile(BaseModel):
    """`run.json`: `first` and `last` are the local days of the window, both in."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    kind: str
    first: date
    last: date
    timezone: str
    parameters: dict[str, Any]
    series: str
    dataset: DatasetRef

    @property
    def folder(self) -> Path:
        return folder(self.run_id)


def folder(run_id: str) -> Path:
    return get_settings().home / "mining" / run_id


def window_of(settings: Settings, days: int, end: str | None) -> tuple[Window, date, date]:
    """(window, first, last local day) of the `days` whole local days before `end` (default: data time)."""
    zone = settings.grid_timezone
    moment = datetime.fromisoformat(end) if end else _data_time(settings)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    midnight = local_midnight(moment, zone)
    last = midnight.date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    return Window(datetime.combine(first, time(), zone), midnight), first, last


def _data_time(settings: Settings) -> datetime:
    """Now, or the end of the measurements where they end earlier: recorded data under the wall clock."""
    now = clock.now(settings)
    span = lake.span(settings.lake_root)
    if span is None:
        raise NothingToDo("no measurements yet: run ingest_measurements first")
    return min(now, span.end + timedelta(minutes=settings.source.interval_minutes))


def read_loads(settings: Settings, window: Window, first: date, last: date) -> tuple[pl.DataFrame, DailyLoads]:
    """(measurements of the window, its daily loads with history); NothingToDo without measurements."""
    before = Window(window.start - timedelta(days=HISTORY_DAYS + 1), window.end)
    rows = lake.read_measurements(settings.lake_root, before)
    inside = rows.filter(rows["time"] >= window.start)
    if not inside.height:
        raise NothingToDo(f"there are no measurements from {first} to {last}")
    zones = inside["zone"].unique()
    kept = rows.filter(rows["zone"].is_in(zones.implode()))
    return inside, daily_loads(kept, str(settings.grid_timezone), first, last, HISTORY_DAYS)


def prepare(
    kind: str,
    prefix: str,
    settings: Settings,
    loads: DailyLoads,
    window: Window,
    first: date,
    last: date,
    rows: int,
    parameters: dict[str, Any],
    series: str,
    more: bytes = b"",
) -> RunFile:
    """Write the data and the parameters of a run; the same ones make the same run.

    more: further data of the run, to be part of its checksum.
    """
    digest = hashlib.sha256()
    digest.update("\n".join(loads.zones).encode())
    for array in (loads.load_kw, loads.temperature_c):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(more)
    sha256 = digest.hexdigest()
    asked = json.dumps({"first": str(first), "last": str(last), **parameters}, sort_keys=True)
    run_id = f"{prefix}-{last:%Y%m%d}-{hashlib.sha256((sha256 + asked).encode()).hexdigest()[:10]}"
    dataset = DatasetRef(
        uri=join(settings.lake_root, "measurements"), sha256=sha256, rows=rows, window=window, run=run_id
    )
    run = RunFile(
        run_id=run_id,
        kind=kind,
        first=first,
        last=last,
        timezone=str(settings.grid_timezone),
        parameters=parameters,
        series=series,
        dataset=dataset,
    )
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        zones=np.array(loads.zones),
        first_day=loads.first_day,
        history_days=loads.history_days,
        load_kw=loads.load_kw,
        temperature_c=loads.temperature_c,
    )
    write_bytes(str(run.folder / LOADS_FILE), buffer.getvalue())
    # Last: a folder with this file is whole.
    write_bytes(str(run.folder / RUN_FILE), run.model_dump_json(indent=2).encode())
    return run


def load_run(run_id: str) -> RunFile:
    """The run of this name.

    Raises:
        UnknownMiningRun
    """
    path = folder(run_id) / RUN_FILE
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", run_id) or not path.is_file():
        raise UnknownMiningRun(run_id)
    return RunFile.model_validate_json(path.read_text(encoding="utf-8"))


def load_loads(run: RunFile) -> DailyLoads:
    with np.load(run.folder / LOADS_FILE, allow_pickle=False) as held:
        return DailyLoads(
            tuple(map(str, held["zones"])),
            int(held["first_day"]),
            int(held["history_days"]),
            held["load_kw"],
            held["temperature_c"],
        )


def write_json(run: RunFile, name: str, content: Any) -> None:
    write_bytes(str(run.folder / name), json.dumps(content, indent=1).encode())


def read_json(run: RunFile, name: str) -> Any:
    path = run.folder / name
    if not path.is_file():
        raise UnknownMiningRun(f"{run.run_id} ({name})")
    return json.loads(path.read_text(encoding="utf-8"))
