"""The folder of one training run: `HOME/runs/<run_id>/`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, model_validator

from smartgrid.errors import SmartGridError
from smartgrid.features.build import build_frame
from smartgrid.features.frame import FeatureFrame
from smartgrid.features.schema import Temperature
from smartgrid.lake import DatasetRef, read_parquet
from smartgrid.lake.files import write_bytes
from smartgrid.settings import get_settings


class UnknownRun(SmartGridError):
    """No training run has this id."""

    exit_code = 2

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"No training run {run_id!r}. Start one with `smartgrid retrain`, or with the step automl.snapshot."
        )


class Snapshot(BaseModel):
    """What a run trains on and is judged on: immutable, so that every candidate sees the same data.

    `train_start`, `select_start`, `backtest_start`, `end` are local midnights. A search sees rows before
    `select_start`; the winner is chosen on the selection window [select_start, backtest_start) and judged on the
    test window [backtest_start, end). A snapshot without a selection window has both at the same time.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    measurements: DatasetRef
    weather: DatasetRef
    zones: list[str]
    train_start: datetime
    select_start: datetime
    backtest_start: datetime
    end: datetime
    timezone: str
    interval_minutes: int
    holidays: str | None
    temperature: Temperature
    seed: int

    @model_validator(mode="before")
    @classmethod
    def _without_selection_window(cls, values: Any) -> Any:
        """Snapshots of earlier versions had no selection window."""
        if isinstance(values, dict) and "select_start" not in values and "backtest_start" in values:
            return {**values, "select_start": values["backtest_start"]}
        return values

    @property
    def has_selection_window(self) -> bool:
        return self.select_start < self.backtest_start

    def frame(
        self,
        start: datetime | None = None,
        *,
        temperature: Temperature | None = None,
        schema_zones: list[str] | None = None,
    ) -> FeatureFrame:
        """Feature rows of the local days from `start` (default `train_start`) to the end.

        Args:
            temperature: another than the run's own.
            schema_zones: zones that a model of another run knows; the rows of other zones get zone_code -1.
        """
        measurements, weather = read_parquet(self.measurements), read_parquet(self.weather)
        return self.frame_of(measurements, weather, start, temperature=temperature, schema_zones=schema_zones)

    def frame_of(
        self,
        measurements: pl.DataFrame,
        weather: pl.DataFrame,
        start: datetime | None,
        *,
        temperature: Temperature | None = None,
        schema_zones: list[str] | None = None,
    ) -> FeatureFrame:
        return build_frame(
            measurements,
            weather,
            zones=self.zones,
            first_day=start or self.train_start,
            last_day=self.end - timedelta(minutes=1),
            timezone=self.timezone,
            interval_minutes=self.interval_minutes,
            holidays=self.holidays,
            temperature=temperature or self.temperature,
            schema_zones=schema_zones,
        )


def folder(run_id: str) -> Path:
    return get_settings().home / "runs" / run_id


def candidate_folder(run_id: str, trainer: str) -> Path:
    return folder(run_id) / "candidates" / trainer


def save_snapshot(snapshot: Snapshot) -> None:
    write_bytes(str(folder(snapshot.run_id) / "snapshot.json"), snapshot.model_dump_json(indent=2).encode())


def load_snapshot(run_id: str) -> Snapshot:
    """The snapshot of a run.

    Raises:
        UnknownRun
    """
    path = folder(run_id) / "snapshot.json"
    if not path.is_file():
        raise UnknownRun(run_id)
    return Snapshot.model_validate_json(path.read_text(encoding="utf-8"))


def save_json(path: Path, content: Any) -> None:
    write_bytes(str(path), json.dumps(content, indent=2).encode())


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
