"""Validated measurements and weather, partitioned by zone and year: `measurements/zone=Z1/year=2007/part.parquet`.

A row is identified by `(zone, time)`. Writing is an upsert: the row with the latest `available_at` stays, so that late
and corrected readings replace what they correct, and replaying a batch changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import fsspec
import polars as pl

from smartgrid.lake.files import exists, is_local, join, local_path, read_bytes, write_bytes
from smartgrid.lake.window import Window

UTC_TIME = pl.Datetime("us", "UTC")
MEASUREMENT_SCHEMA: dict[str, pl.DataType] = {
    "zone": pl.String(),
    "time": UTC_TIME,
    "load_kw": pl.Float64(),
    "temperature_c": pl.Float64(),
    "available_at": UTC_TIME,
}
# kind: "forecast" is what a forecaster knew; "actual" is the measured value standing in for a forecast (replay only).
WEATHER_SCHEMA: dict[str, pl.DataType] = {
    "zone": pl.String(),
    "time": UTC_TIME,
    "temperature_c": pl.Float64(),
    "kind": pl.String(),
    "available_at": UTC_TIME,
}


def upsert_measurements(root: str, frame: pl.DataFrame) -> int:
    """Write rows of MEASUREMENT_SCHEMA; return how many."""
    return _upsert(root, "measurements", frame.select(_typed(MEASUREMENT_SCHEMA)), key=("time",))


def upsert_weather(root: str, frame: pl.DataFrame) -> int:
    """Write rows of WEATHER_SCHEMA; a forecast and an actual value of the same hour stand side by side."""
    return _upsert(root, "weather", frame.select(_typed(WEATHER_SCHEMA)), key=("time", "kind"))


def read_measurements(
    root: str,
    window: Window | None = None,
    zones: Iterable[str] | None = None,
    as_of: datetime | None = None,
) -> pl.DataFrame:
    """Rows of MEASUREMENT_SCHEMA sorted by zone and time; with `as_of`, only what was known by then."""
    return _read(root, "measurements", MEASUREMENT_SCHEMA, window, zones, as_of)


def read_weather(
    root: str,
    window: Window | None = None,
    zones: Iterable[str] | None = None,
    as_of: datetime | None = None,
) -> pl.DataFrame:
    """Rows of WEATHER_SCHEMA sorted by zone and time."""
    return _read(root, "weather", WEATHER_SCHEMA, window, zones, as_of)


def zones(root: str) -> list[str]:
    """Zones that have measurements, in natural order (Z2 before Z10)."""
    return natural_sorted({zone for zone, _, _ in _partitions(join(root, "measurements"))})


def span(root: str) -> Window | None:
    """From the first measurement to just after the last, or None where the lake is empty."""
    frame = _read(root, "measurements", MEASUREMENT_SCHEMA, None, None, None)
    if frame.is_empty():
        return None
    first, last = frame["time"].min(), frame["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return Window(first, last + timedelta(microseconds=1))


def natural_sorted(names: Iterable[str]) -> list[str]:
    """Sort so that numbers inside names count as numbers.

    >>> natural_sorted(["Z10", "Z2", "Z1"])
    ['Z1', 'Z2', 'Z10']
    """
    import re

    def key(name: str) -> list[tuple[int, int, str]]:
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]

    return sorted(names, key=key)


def _typed(schema: dict[str, pl.DataType]) -> list[pl.Expr]:
    return [pl.col(name).cast(dtype) for name, dtype in schema.items()]


def _partition(root: str, table: str, zone: str, year: int) -> str:
    return join(root, table, f"zone={quote(zone, safe='')}", f"year={year}", "part.parquet")


def _partitions(folder: str) -> Iterator[tuple[str, int, str]]:
    """(zone, year, uri) of every partition file under `folder`."""
    if is_local(folder):
        base = local_path(folder)
        paths = sorted(str(path) for path in base.glob("zone=*/year=*/part.parquet"))
    else:
        fs, path = fsspec.core.url_to_fs(folder)
        paths = sorted(fs.unstrip_protocol(found) for found in fs.glob(f"{path}/zone=*/year=*/part.parquet"))
    for found in paths:
        zone_part, year_part = found.split("/")[-3:-1]
        yield unquote(zone_part.removeprefix("zone=")), int(year_part.removeprefix("year=")), found


@contextmanager
def _writer_lock(root: str, table: str) -> Iterator[None]:
    """One writer at a time on a local lake: an upsert reads, merges and renames."""
    if not is_local(root):
        yield
        return
    import fcntl

    folder = local_path(root)
    folder.mkdir(parents=True, exist_ok=True)
    with Path(folder / f".{table}.lock").open("w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _upsert(root: str, table: str, frame: pl.DataFrame, key: tuple[str, ...]) -> int:
    with _writer_lock(root, table):
        parts = frame.with_columns(pl.col("time").dt.year().alias("_year")).partition_by(
            ["zone", "_year"], as_dict=True, include_key=True
        )
        for (zone, year), part in parts.items():
            uri = _partition(root, table, str(zone), int(year))
            rows = part.drop("_year")
            if exists(uri):
                rows = pl.concat([pl.read_parquet(io.BytesIO(read_bytes(uri))), rows])
            # Stable sort: of two rows known at the same moment the later written one wins.
            rows = rows.sort("available_at", maintain_order=True).unique(key, keep="last").sort(*key)
            buffer = io.BytesIO()
            rows.write_parquet(buffer, compression="zstd")
            write_bytes(uri, buffer.getvalue())
    return frame.height


def _read(
    root: str,
    table: str,
    schema: dict[str, pl.DataType],
    window: Window | None,
    zones: Iterable[str] | None,
    as_of: datetime | None,
) -> pl.DataFrame:
    wanted = None if zones is None else set(zones)
    frames = [
        pl.read_parquet(io.BytesIO(read_bytes(uri)))
        for zone, year, uri in _partitions(join(root, table))
        if (wanted is None or zone in wanted) and (window is None or window.start.year <= year <= window.end.year)
    ]
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    if window is not None:
        frame = frame.filter((pl.col("time") >= window.start) & (pl.col("time") < window.end))
    if as_of is not None:
        frame = frame.filter(pl.col("available_at") <= as_of.astimezone(UTC))
    return frame.sort("zone", "time")
