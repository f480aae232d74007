"""What the training steps left in the folder of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from smartgrid.automl.environment import recorded_environment
from smartgrid.automl.run_folder import Snapshot, folder, load_snapshot
from smartgrid.automl.tournament_progress import trials
from smartgrid.registry.errors import RunIncomplete


@dataclass(frozen=True, slots=True)
class RunFolder:
    """`<SMARTGRID_HOME>/runs/<run_id>`: snapshot, candidates and leaderboard of one training run."""

    run_id: str

    @property
    def path(self) -> Path:
        return folder(self.run_id)

    @property
    def leaderboard(self) -> dict[str, Any]:
        """`winner`, `gate_passed`, `verdict`; `rows` with the scores of each candidate, `zones` with those by zone."""
        return self._json("leaderboard.json")

    @property
    def candidates(self) -> dict[str, dict[str, Any]]:
        """What each trainer left: candidate.json by trainer."""
        found = sorted((self.path / "candidates").glob("*/candidate.json"))
        return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in found}

    @property
    def environment(self) -> dict[str, Any]:
        """Python, packages, platform and revision that the run was made with."""
        return recorded_environment(self.run_id)

    @property
    def snapshot(self) -> Snapshot:
        """The data and the settings that the run was made with."""
        self._file("snapshot.json")
        return load_snapshot(self.run_id)

    @property
    def saved_model(self) -> Path:
        return self.path / "saved_model"

    def model(self, candidate: str) -> Any:
        """The fitted model of a candidate."""
        import joblib

        return joblib.load(self._file(f"candidates/{candidate}/model.joblib"))

    def backtest(self, candidate: str) -> pl.DataFrame:
        """zone, target_time, issue_time, actual_kw, predicted_kw of a candidate in the test window."""
        table = pl.read_parquet(self._file(f"candidates/{candidate}/backtest.parquet"))
        start = self.snapshot.backtest_start.astimezone(UTC)
        return table.filter(pl.col("issue_time").cast(pl.Datetime("us", "UTC")) >= start)

    def progress(self) -> dict[str, list[dict[str, Any]]]:
        """The scored trials of each trainer: {"trial", "score", "elapsed_s"}, as plots want them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for name, records in trials(self.path).items():
            scored = [record for record in records if record["trial"] is not None and record["score"] is not None]
            if scored:
                began = datetime.fromisoformat(records[0]["at"])
                found[name] = [
                    {
                        "trial": record["trial"],
                        "score": record["score"],
                        "elapsed_s": (datetime.fromisoformat(record["at"]) - began).total_seconds(),
                    }
                    for record in scored
                ]
        return found

    def held_out_rows(self) -> npt.NDArray[np.float64]:
        """Feature rows (n, k) of the backtest window, which the parity proof is made on."""
        snapshot = self.snapshot
        return snapshot.frame(snapshot.backtest_start).X

    def _json(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._file(name).read_text(encoding="utf-8"))
        return content

    def _file(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise RunIncomplete(self.run_id, name, self.path)
        return path
