"""A real MLflow server and finished training runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest
import requests

from smartgrid.automl.run_folder import Snapshot, save_snapshot
from smartgrid.automl.scaled_pipeline import ScaledPipelineRecipe
from smartgrid.evaluation.backtest import forecast_table
from smartgrid.lake import Window, write_parquet
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA, WEATHER_SCHEMA
from smartgrid.settings import get_settings
from smartgrid.store import migrate, session
from smartgrid.store.models import TrainingRun

START = datetime(2007, 11, 1, tzinfo=UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def unused_port() -> int:
    return free_port()


class MlflowServer:
    """An `mlflow server` on loopback that can be stopped and started again on the same port and data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Its job runner would start seven processes that nothing here needs.
                env={
                    **os.environ,
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                },
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{self.uri}/health", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.3)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def home(tmp_path: Path, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private SMARTGRID_HOME with a migrated store, a model name of its own, and the MLflow server."""
    monkeypatch.setenv("SMARTGRID_HOME", str(tmp_path))
    monkeypatch.setenv("SMARTGRID_MODEL_NAME", f"load-{tmp_path.name[-40:].replace('_', '-')}-{os.getpid()}")
    monkeypatch.setenv("SMARTGRID_MLFLOW_TRACKING_URI", mlflow_server.uri)
    get_settings.cache_clear()
    migrate()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def finished_run(home: Path) -> Callable[..., str]:
    """Makes the folder and the store row that the training steps leave behind."""

    def make(run_id: str, gate_passed: bool = True, seed: int = 1) -> str:
        return _finished_run(home, run_id, gate_passed, seed)

    return make


def _finished_run(home: Path, run_id: str, gate_passed: bool, seed: int) -> str:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    folder = home / "runs" / run_id
    snapshot = _snapshot(folder, run_id, seed)
    save_snapshot(snapshot)
    frame = snapshot.frame()
    columns = [index for index, name in enumerate(frame.schema.names) if name != "level_kw"]
    recipe = ScaledPipelineRecipe(make_pipeline(SimpleImputer(keep_empty_features=True), Ridge()), columns, 5000, seed)
    model = recipe.fit(frame)

    candidate = folder / "candidates" / "tpot"
    candidate.mkdir(parents=True)
    joblib.dump(model, candidate / "model.joblib")
    judged = snapshot.frame(snapshot.backtest_start)
    forecast_table(judged, model.predict(judged.X)).write_parquet(candidate / "backtest.parquet")

    def scores(name: str, zone: str, mape: float) -> dict[str, Any]:
        values = {"mape_percent": mape, "mase": mape / 6, "rmse_kw": 90.0, "bias_kw": -3.5, "rows": 336}
        return {"candidate": name, "zone": zone, **values}

    mapes = {"tpot": 4.1, "per_hour_ridge": 4.6, "weekly_naive": 9.3}
    leaderboard: dict[str, Any] = {
        "run_id": run_id,
        "winner": "tpot",
        "gate_passed": gate_passed,
        "verdict": "tpot beats both naive forecasts",
        "rows": [scores(name, "SYSTEM", mape) | {"search_s": 12.5} for name, mape in mapes.items()]
        + [{"candidate": "h2o", "zone": "SYSTEM", "failed": "TrainerTimedOut"}],
        "zones": [scores(name, zone, mape) for name, mape in mapes.items() for zone in snapshot.zones],
    }
    (folder / "leaderboard.json").write_text(json.dumps(leaderboard), encoding="utf-8")
    with session() as open_session:
        open_session.add(
            TrainingRun(
                run_id=run_id,
                started_at=START,
                window_start=snapshot.backtest_start,
                window_end=snapshot.end,
                data_sha256=snapshot.measurements.sha256,
                temperature="none",
                winner="tpot",
                gate_passed=gate_passed,
                verdict=leaderboard["verdict"],
            )
        )
    return run_id


def _snapshot(folder: Path, run_id: str, seed: int) -> Snapshot:
    """70 days of two zones with a daily and a weekly shape; the last 14 days are the backtest."""
    generator = np.random.default_rng(seed)
    hours = np.arange(70 * 24)
    shape = 1 + 0.3 * np.sin(2 * np.pi * hours / 24) + 0.1 * np.sin(2 * np.pi * hours / 168)
    times = [START + timedelta(hours=int(hour)) for hour in hours]
    parts = [
        pl.DataFrame(
            {
                "zone": [zone] * len(hours),
                "time": times,
                "load_kw": level * shape * generator.normal(1, 0.02, len(hours)),
                "temperature_c": [None] * len(hours),
                "available_at": [moment + timedelta(hours=1) for moment in times],
            },
            schema=MEASUREMENT_SCHEMA,
        )
        for zone, level in (("A", 900.0), ("B", 15_000.0))
    ]
    end = START + timedelta(days=70)
    window = Window(START, end)
    return Snapshot(
        run_id=run_id,
        measurements=write_parquet(pl.concat(parts), str(folder / "measurements.parquet"), window, run_id),
        weather=write_parquet(pl.DataFrame(schema=WEATHER_SCHEMA), str(folder / "weather.parquet"), window, run_id),
        zones=["A", "B"],
        train_start=START + timedelta(days=35),
        backtest_start=end - timedelta(days=14),
        end=end,
        timezone="UTC",
        interval_minutes=60,
        holidays=None,
        temperature="none",
        seed=seed,
    )
