"""The ensemble as a candidate with a folder of its own: fitting, export and registry treat it like any other."""

from __future__ import annotations

import io
import shutil
from typing import Any

import polars as pl

from smartgrid.automl.candidate import save_joblib
from smartgrid.automl.cost import cost_of
from smartgrid.automl.ensemble import ENSEMBLE, MeanRecipe, mean_table
from smartgrid.automl.run_folder import candidate_folder, load_json, save_json
from smartgrid.automl.selection import Mix
from smartgrid.lake.files import write_bytes

Outcome = dict[str, Any]


def ensemble_outcome(run_id: str, mix: Mix, trained: dict[str, Outcome]) -> Outcome:
    """candidate.json of the ensemble: it costs what its members cost together."""
    outcome: Outcome = {"run_id": run_id, "trainer": ENSEMBLE, "kind": mix.kind, "search_s": 0.0}
    outcome["members"] = dict(zip(mix.members, mix.weights, strict=True))
    together = cost_of(trained[mix.members[0]])
    for name in mix.members[1:]:
        together += cost_of(trained[name])
    outcome["cpu_s"] = together.cpu_s
    outcome["wall_s"] = sum(float(trained[name].get("wall_s") or 0.0) for name in mix.members)
    outcome["fit_s"] = sum(float(trained[name].get("fit_s") or 0.0) for name in mix.members)
    outcome["export"] = {"size_mb": together.size_mb, "ms_per_row": together.ms_per_row, "sum_of_members": True}
    return outcome


def keep_ensemble(run_id: str, mix: Mix | None, outcome: Outcome | None) -> None:
    """The folder of the ensemble, as that of any candidate, where it is taken; none where it is not."""
    import joblib

    place = candidate_folder(run_id, ENSEMBLE)
    wanted = outcome if mix is not None and mix.taken else None
    if (place / "candidate.json").exists() and wanted is not None and load_json(place / "candidate.json") == wanted:
        return
    shutil.rmtree(place, ignore_errors=True)
    if mix is None or wanted is None:
        return
    recipes = [joblib.load(candidate_folder(run_id, name) / "recipe.joblib") for name in mix.members]
    save_joblib(MeanRecipe(recipes, list(mix.weights)), place / "recipe.joblib")
    tables = [pl.read_parquet(candidate_folder(run_id, name) / "backtest.parquet") for name in mix.members]
    buffer = io.BytesIO()
    mean_table(tables, mix.weights).write_parquet(buffer)
    write_bytes(str(place / "backtest.parquet"), buffer.getvalue())
    save_json(place / "candidate.json", wanted)  # last: it says that the rest is there
