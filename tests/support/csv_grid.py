"""A grid of its own for a test: a CSV file as source, a settings file, and the `smartgrid` command in their middle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
from serving_process import free_port
from synthetic_load import synthetic

SETTINGS = """
timezone = "UTC"

[source]
kind = "csv"
path = "readings.csv"

[source.columns]
time = "time"
zone = "zone"
load = "load_kw"
temperature = "temperature_c"
"""


class CsvGrid:
    """`readings.csv`, `grid.toml` and `home` in one folder."""

    def __init__(self, folder: Path, rows: pl.DataFrame | None = None, settings: str = SETTINGS) -> None:
        self.folder, self.home = folder, folder / "home"
        if rows is None:
            rows = synthetic({"North": 900.0, "South": 14_000.0})
        rows.drop("available_at", strict=False).with_columns(
            pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        ).write_csv(folder / "readings.csv")
        (folder / "grid.toml").write_text(settings, encoding="utf-8")
        # A port that nobody listens on: MLflow without a server.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SMARTGRID_", "MLFLOW_"))},
            "SMARTGRID_CONFIG": str(folder / "grid.toml"),
            "SMARTGRID_HOME": str(self.home),
            "SMARTGRID_MLFLOW_PORT": str(free_port()),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def call(self, *arguments: str, timeout_s: float = 280, **settings: str) -> subprocess.CompletedProcess[str]:
        """`smartgrid ARGUMENTS`, with further variables of the environment."""
        return subprocess.run(
            [sys.executable, "-m", "smartgrid", *arguments],
            env={**self.environment, **settings},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"
