"""A private home with lake and store, and landing batches written as `ingest` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from smartgrid import lake
from smartgrid.lake.files import join
from smartgrid.lake.landing import LANDING_SCHEMA
from smartgrid.settings import Settings, get_settings
from smartgrid.store import migrate, session
from smartgrid.store.engine import engine_for
from smartgrid.store.models import Batch

START = datetime(2021, 3, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "CLOCK": "replay",
        "SOURCE__KIND": "csv",
        "SOURCE__PATH": str(tmp_path / "source"),
        "SOURCE__COLUMNS__ZONE": "zone",
        "SOURCE__COLUMNS__TEMPERATURE": "temperature_c",
    }.items():
        monkeypatch.setenv(f"SMARTGRID_{name}", value)
    get_settings.cache_clear()
    migrate()
    yield tmp_path / "home"
    engine_for(get_settings().store_dsn).dispose()
    get_settings.cache_clear()


@pytest.fixture
def settings(home: Path) -> Settings:
    return get_settings()


def readings(zones: int = 3, hours: int = 24 * 28, seed: int = 7, start: datetime = START) -> pl.DataFrame:
    """Loads with a daily and weekly shape and noise: row_number, zone, time, load_kw, temperature_c."""
    random = np.random.default_rng(seed)
    hour = np.arange(hours)
    parts = []
    for zone in range(zones):
        shape = 1 + 0.35 * np.sin(hour / 24 * 2 * np.pi - 2) + 0.1 * np.sin(hour / 168 * 2 * np.pi)
        parts.append(
            pl.DataFrame(
                {
                    "zone": [f"Z{zone + 1}"] * hours,
                    "time": pl.datetime_range(start, start + timedelta(hours=hours - 1), "1h", eager=True),
                    "load_kw": 200.0 * 2**zone * shape * (1 + 0.03 * random.standard_normal(hours)),
                    "temperature_c": 8 + 6 * np.sin(hour / 24 * 2 * np.pi - 2.5) + random.standard_normal(hours),
                }
            )
        )
    return pl.concat(parts).with_row_index("row_number")


def as_landing(frame: pl.DataFrame) -> pl.DataFrame:
    defaults = {
        "source_ref": pl.lit("test.csv"),
        "temperature_forecast_c": pl.lit(None),
        "available_at": pl.col("time") + pl.duration(hours=1),
        "raw_time": pl.lit(None),
        "raw_load": pl.lit(None),
        "raw_temperature": pl.lit(None),
    }
    missing = {name: value for name, value in defaults.items() if name not in frame.columns}
    frame = frame.with_columns(**missing)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in LANDING_SCHEMA.items())


@pytest.fixture
def make_readings() -> Callable[..., pl.DataFrame]:
    return readings


@pytest.fixture
def land(settings: Settings) -> Callable[..., Batch]:
    """Write a batch of landing rows and its row of the store."""

    def write(
        batch_id: str, frame: pl.DataFrame, window: lake.Window | None = None, *, as_is: bool = False, **values: Any
    ) -> Batch:
        if not as_is:
            frame = as_landing(frame)
        if window is None:
            first, last = frame["time"].min(), frame["time"].max()
            assert isinstance(first, datetime)
            assert isinstance(last, datetime)
            window = lake.Window(first, last + timedelta(hours=1))
        ref = lake.write_parquet(frame, join(settings.lake_root, "landing", f"{batch_id}.parquet"), window)
        batch = Batch(
            batch_id=batch_id,
            source="csv",
            window_start=window.start,
            window_end=window.end,
            uri=ref.uri,
            sha256=ref.sha256,
            rows=frame.height,
            ingested_at=datetime.now(UTC),
            status="landed",
            **values,
        )
        with session() as open_session:
            open_session.add(batch)
        return batch

    return write
