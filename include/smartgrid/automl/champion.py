"""The model in service, on the days that a new winner is judged on.

Its recipe is refitted by the same policy as every candidate's, which compares the methods. And the model as it serves,
fitted once when it was made, is run on the days after its data ended, which tells whether it has aged.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import select

from smartgrid.automl.candidate import moment
from smartgrid.automl.child_process import run_limited
from smartgrid.automl.cost import Cost, cost_of
from smartgrid.automl.run_folder import Snapshot, candidate_folder, folder, load_json, load_snapshot, save_json
from smartgrid.automl.trainer import Progress
from smartgrid.errors import SmartGridError
from smartgrid.evaluation.backtest import forecast_table, rolling_origin
from smartgrid.lake.files import write_bytes
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import Promotion

CHAMPION_S = 1200.0  # a refit as long as a candidate's, and the model once over the window
RECORD, REFITTED, SERVED = "champion.json", "refitted.parquet", "served.parquet"


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in service: which one (`version`, `run_id`, `trainer`), and its forecasts of the test window.

    `refitted` is None where it cannot be had; `unavailable` then says why. `served` holds the days after its data.
    """

    version: int
    run_id: str | None
    trainer: str | None
    zones: frozenset[str]
    cost: Cost
    refitted: pl.DataFrame | None
    served: pl.DataFrame | None
    unavailable: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "run_id": self.run_id,
            "trainer": self.trainer,
            "unavailable": self.unavailable or None,
        }


def champion_of(snapshot: Snapshot, progress: Progress) -> Champion | None:
    """The model that was in service when the run was first judged, with its backtest; None where there was none.

    The answer is written down, so that judging again compares with the same model; only what could not be had is tried
    again.
    """
    place = folder(snapshot.run_id) / "champion"
    if not (place / RECORD).exists():
        save_json(place / RECORD, _in_service())
    record = load_json(place / RECORD)
    if record["version"] is None:
        return None
    problem = _problem(record, snapshot)
    if not problem and not (place / REFITTED).exists():
        try:
            run_limited(
                "smartgrid.automl.champion:champion_in_child",
                {"run_id": snapshot.run_id, "champion_run": record["run_id"], "trainer": record["trainer"]},
                wall_s=CHAMPION_S,
                memory_mb=get_settings().training.memory_limit_mb,
                threads=2,
                progress=progress,
            )
        except SmartGridError as error:
            problem = f"its recipe cannot be refitted on these data ({type(error).__name__}: {str(error)[:300]})"
    if problem:
        progress(f"champion version {record['version']}: {problem}")
        return Champion(
            record["version"], record["run_id"], record["trainer"], frozenset(), Cost(), None, None, problem
        )
    return Champion(
        version=record["version"],
        run_id=record["run_id"],
        trainer=record["trainer"],
        zones=frozenset(load_snapshot(record["run_id"]).zones),
        cost=cost_of(load_json(candidate_folder(record["run_id"], record["trainer"]) / "candidate.json")),
        refitted=pl.read_parquet(place / REFITTED),
        served=pl.read_parquet(place / SERVED) if (place / SERVED).exists() else None,
    )


def champion_in_child(run_id: str, champion_run: str, trainer: str, progress: Progress) -> int:
    """Backtest the champion's recipe and run its model on this run's test window; runs in a process with limits."""
    import joblib

    snapshot, own = load_snapshot(run_id), load_snapshot(champion_run)
    source, place = candidate_folder(champion_run, trainer), folder(run_id) / "champion"
    frame = snapshot.frame(temperature=own.temperature, schema_zones=own.zones)
    start, end = moment(snapshot.backtest_start), moment(snapshot.end)
    if (source / "model.joblib").is_file():
        model = joblib.load(source / "model.joblib")
        if model.schema.names != frame.schema.names:
            raise ChampionOutdated(champion_run)
        unseen = frame.between(max(start, moment(own.end)), end)
        if len(unseen):
            _write(forecast_table(unseen, model.predict(unseen.X)), place / SERVED)
    table = rolling_origin(joblib.load(source / "recipe.joblib"), frame, start, end, progress=progress)
    _write(table, place / REFITTED)
    return table.height


class ChampionOutdated(SmartGridError):
    """The model in service takes other features than this release computes."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"The model of run {run_id} was made with other features than this release computes. The new model is "
            "compared with the naive forecasts only; promote it by hand if you trust it."
        )


def _in_service() -> dict[str, Any]:
    """The newest entry of the promotion ledger, and the winner of the run that made it."""
    with session() as open_session:
        row = open_session.scalars(
            select(Promotion)
            .where(Promotion.model_name == get_settings().model_name)
            .order_by(Promotion.promotion_id.desc())
            .limit(1)
        ).first()
    if row is None:
        return {"version": None, "run_id": None, "trainer": None}
    board = folder(row.run_id) / "leaderboard.json" if row.run_id else None
    trainer = load_json(board).get("winner") if board is not None and board.is_file() else None
    return {"version": row.version, "run_id": row.run_id, "trainer": trainer}


def _problem(record: dict[str, Any], snapshot: Snapshot) -> str:
    """Why the champion cannot be compared with; empty: it can."""
    run_id, trainer = record["run_id"], record["trainer"]
    if run_id is None:
        return "the ledger does not say which run made it"
    if trainer is None or not (folder(run_id) / "snapshot.json").is_file():
        return f"the folder of its run {run_id} is gone"
    if not (candidate_folder(run_id, trainer) / "recipe.joblib").is_file():
        return f"the recipe of its run {run_id} is gone"
    if load_snapshot(run_id).interval_minutes != snapshot.interval_minutes:
        return f"its run {run_id} has another measurement interval"
    return ""


def _write(table: pl.DataFrame, path: Path) -> None:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_bytes(str(path), buffer.getvalue())
