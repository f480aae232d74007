"""`smartgrid tournament` as a stranger runs it: a CSV file, an empty home, no server of any kind."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import requests
from csv_grid import CsvGrid
from serving_process import MODEL, ServerProcess

from smartgrid.features.schema import FeatureSchema
from smartgrid.settings import TRAINERS

FAST = ("tournament", "--preset", "smoke", "--trainers", "per_hour_ridge,tpot", "--total-budget-s", "25", "--json")
pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> CsvGrid:
    return CsvGrid(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def held(grid: CsvGrid) -> tuple[dict[str, Any], str]:
    """The result of a fast tournament, and what it said on standard error."""
    done = grid.call(*FAST)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def mlflow_client(grid: CsvGrid, held: tuple[dict[str, Any], str]) -> Iterator[Any]:
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(grid.tracking_uri)
    mlflow.set_registry_uri(grid.tracking_uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def test_every_trainer_is_on_the_leaderboard_and_the_winner_is_registered(held: tuple[dict[str, Any], str]) -> None:
    result, said = held
    rows = {row["candidate"]: row for row in result["leaderboard"]}
    assert {"per_hour_ridge", "tpot", "daily_naive", "weekly_naive"} <= set(rows)
    assert all(row.get("failed") or row["mape_percent"] > 0 for row in rows.values())
    assert result["preset"] == "smoke"
    assert result["gate_passed"] is True, result["verdict"]
    assert result["winner"] in rows
    assert result["registered"]["version"] == 1
    assert Path(result["report"]).read_text().startswith("# Tournament")
    assert Path(result["picture"]).read_bytes()[:4] == b"\x89PNG"
    assert result["used"]["cpu_s"] > 0
    # Live progress: trials with their score and the time left.
    assert "tpot: trial 1: error" in said


def test_saved_model_is_served_and_predicts_what_library_and_mlflow_predict(
    grid: CsvGrid, held: tuple[dict[str, Any], str], mlflow_client: Any, tmp_path: Path
) -> None:
    import mlflow

    registered = held[0]["registered"]
    X, served = _served(registered, tmp_path)
    np.testing.assert_allclose(served, joblib.load(registered["model"]).predict(X), rtol=1e-6)
    loaded = mlflow.pyfunc.load_model(f"models:/{registered['model_name']}/{registered['version']}")
    np.testing.assert_allclose(loaded.predict(X), served, rtol=1e-12)


def _served(registered: dict[str, Any], folder: Path) -> tuple[np.ndarray[Any, np.dtype[np.float64]], Any]:
    """Feature rows, and what the model server answers from `model_base_path`."""
    base = registered["model_base_path"]
    server = ServerProcess(folder / "server.log", f"--model_name={MODEL}", f"--model_base_path={base}").start()
    try:
        schema = json.loads((Path(registered["saved_model"]) / "assets.extra/feature_schema.json").read_text())
        X = _rows(FeatureSchema.model_validate(schema))
        url = f"{server.rest_url}/v1/models/{MODEL}/versions/{registered['version']}:predict"
        answer = requests.post(url, json={"instances": X.tolist()}, timeout=60)
        assert answer.ok, answer.text
        return X, np.array(answer.json()["predictions"], dtype=np.float64)
    finally:
        server.stop()


def _rows(schema: FeatureSchema) -> np.ndarray[Any, np.dtype[np.float64]]:
    """200 plausible feature rows of both zones."""
    generator = np.random.default_rng(5)
    X = generator.normal(1.0, 0.2, (200, len(schema.names)))
    X[:, schema.index("zone_code")] = np.arange(200) % len(schema.zones)
    X[:, schema.index("slot")] = np.arange(200) % schema.slots_per_day
    X[:, schema.index("level_kw")] = 5_000.0
    return X


def test_mlflow_has_a_run_for_the_tournament_and_one_for_each_trainer(
    held: tuple[dict[str, Any], str], mlflow_client: Any
) -> None:
    registered = held[0]["registered"]
    version = mlflow_client.get_model_version(registered["model_name"], str(registered["version"]))
    assert version.run_id == registered["mlflow_run_id"]
    assert mlflow_client.get_model_version_by_alias(registered["model_name"], "challenger").version == version.version
    parent = mlflow_client.get_run(version.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["smartgrid.run_id"] == held[0]["run_id"]
    assert parent.data.params["measurements.sha256"]
    assert parent.data.params["package.tpot"]
    assert parent.inputs.dataset_inputs[0].dataset.name == "measurements"
    children = mlflow_client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{version.run_id}'")
    by_trainer = {child.data.tags["smartgrid.trainer"]: child for child in children}
    assert {"per_hour_ridge", "tpot"} <= set(by_trainer)
    assert {child.info.status for child in children} == {"FINISHED"}
    assert len(mlflow_client.get_metric_history(by_trainer["tpot"].info.run_id, "trial_error")) > 1
    plots = {Path(file.path).name for file in mlflow_client.list_artifacts(version.run_id, "plots")}
    assert {"tournament_progress.png", "feature_importance.png", "residuals.png"} <= plots


def test_registered_model_has_a_signature_and_an_input_example(
    held: tuple[dict[str, Any], str], mlflow_client: Any
) -> None:
    import mlflow

    registered = held[0]["registered"]
    model = mlflow.models.get_model_info(f"models:/{registered['model_name']}/{registered['version']}")
    assert model.signature.inputs.inputs[0].type == np.dtype("float64")
    assert model.saved_input_example_info is not None


def test_failing_tournament_leaves_champion_and_served_models_untouched(
    grid: CsvGrid, held: tuple[dict[str, Any], str], mlflow_client: Any
) -> None:
    """Too little memory for any trainer: both lose with their reason, MLflow says so, and nothing else changes."""
    name = held[0]["registered"]["model_name"]
    mlflow_client.set_registered_model_alias(name, "champion", "1")
    served = grid.home / "models" / name / "1"
    shutil.copytree(held[0]["registered"]["saved_model"], served)
    before = {path: path.stat().st_mtime_ns for path in served.rglob("*")}
    done = grid.call(*FAST, SMARTGRID_TRAINING__MEMORY_LIMIT_MB="512")
    assert done.returncode == 3, done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert {row["candidate"] for row in result["leaderboard"]} == {"per_hour_ridge", "tpot"}
    assert all("TrainerOutOfMemory" in row["failed"] for row in result["leaderboard"])
    assert result["winner"] is None
    assert result["registered"] is None
    run = mlflow_client.get_run(result["mlflow_run_id"])
    assert run.info.status == "FAILED"
    children = mlflow_client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    assert {child.info.status for child in children} == {"FAILED"}
    assert all("TrainerOutOfMemory" in child.data.tags["mlflow.note.content"] for child in children)
    assert int(mlflow_client.get_model_version_by_alias(name, "champion").version) == 1
    assert len(mlflow_client.search_model_versions(f"name='{name}'")) == 1
    assert {path: path.stat().st_mtime_ns for path in served.rglob("*")} == before


def test_changed_data_are_not_reproduced(grid: CsvGrid, held: tuple[dict[str, Any], str]) -> None:
    runs = grid.home / "runs"
    shutil.copytree(runs / held[0]["run_id"], runs / "changed")
    with (runs / "changed/weather.parquet").open("ab") as data:
        data.write(b"x")
    path = runs / "changed/snapshot.json"
    path.write_text(path.read_text().replace(f"{held[0]['run_id']}/weather", "changed/weather"))
    refused = grid.call("reproduce", "changed", "--json")
    assert refused.returncode == 1
    assert "ChecksumMismatch" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.slow
def test_reproduction_finds_the_same_model_where_no_clock_decides(
    grid: CsvGrid, held: tuple[dict[str, Any], str]
) -> None:
    """The ridge searches in no time: data, seed and versions alone decide, and a repetition is identical."""
    first = grid.call("tournament", "--preset", "smoke", "--trainers", "per_hour_ridge", "--json")
    assert first.returncode == 0, first.stderr[-3000:]
    result = json.loads(first.stdout)
    environment = grid.home / "runs" / result["run_id"] / "environment.json"
    recorded = json.loads(environment.read_text())
    recorded["packages"]["scikit-learn"] = "0.0.1"
    environment.write_text(json.dumps(recorded))
    again = grid.call("reproduce", result["registered"]["mlflow_run_id"], "--json")
    assert again.returncode == 0, again.stderr[-3000:]
    report = json.loads(again.stdout)
    assert report["run_id"] == result["run_id"]
    assert report["environment"]["scikit-learn"]["recorded"] == "0.0.1"
    assert [row["difference"] for row in report["trainers"]] == [0.0]
    assert report["winner"]["largest_difference_kw"] == 0.0
    assert report["winner"]["recipe_fitted_again"]["kw"] == 0.0
    assert report["identical"] is True


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("tournament", "--preset", "gigantic"), "UnknownPreset"),
        (("tournament", "--trainers", "oracle"), "UnknownTrainer"),
        (("reproduce", "no-such-run"), "UnknownRun"),
        (("reproduce", "0" * 32), "UnknownRun"),
    ],
)
def test_wrong_names_are_refused_before_any_work(
    grid: CsvGrid, held: tuple[dict[str, Any], str], arguments: tuple[str, ...], error: str
) -> None:
    runs = sorted(os.listdir(grid.home / "runs"))
    done = grid.call(*arguments)
    assert done.returncode == 2
    assert error in done.stderr
    assert done.stdout == ""
    assert sorted(os.listdir(grid.home / "runs")) == runs


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_smoke_preset_ends_with_all_four_trainers_and_a_winner_that_is_served(tmp_path: Path) -> None:
    grid = CsvGrid(tmp_path)
    done = grid.call("tournament", "--preset", "smoke", "--json", timeout_s=1100)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout)
    rows = {row["candidate"]: row for row in result["leaderboard"]}
    assert set(TRAINERS) <= set(rows)
    assert all(row.get("failed") or row["mape_percent"] > 0 for row in rows.values())
    assert sum(1 for name in TRAINERS if not rows[name].get("failed")) >= 3
    registered = result["registered"]
    assert registered["max_relative_difference"] <= 1e-6
    X, served = _served(registered, tmp_path)
    np.testing.assert_allclose(served, joblib.load(registered["model"]).predict(X), rtol=1e-6)
