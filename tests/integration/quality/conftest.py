"""A private home with lake and store, and landing batches written as `ingest` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from landing_rows import as_landing, readings

from smartgrid import lake
from smartgrid.lake.files import join
from smartgrid.settings import Settings, get_settings
from smartgrid.store import migrate, session
from smartgrid.store.engine import engine_for
from smartgrid.store.models import Batch


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
