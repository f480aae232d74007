"""Registration against a real MLflow server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartgrid.errors import NothingToDo
from smartgrid.features.schema import feature_names
from smartgrid.registry import mlflow_registry, versions
from smartgrid.registry import mlflow_run as mlflow_run_module
from smartgrid.registry.errors import NothingRegistered, RunIncomplete, TrackingServerUnavailable
from smartgrid.registry.run_folder import RunFolder
from smartgrid.registry.steps import _exported, register
from smartgrid.rollout.errors import RefusedByGates
from smartgrid.rollout.steps import publish
from smartgrid.savedmodel.assets import KnownAnswers, fingerprint
from smartgrid.savedmodel.errors import SavedModelDamaged
from smartgrid.settings import get_settings
from smartgrid.store import session
from smartgrid.store.models import TrainingRun

pytestmark = pytest.mark.servers


def _mlflow_run(run_id: str) -> Any:
    from smartgrid.registry.tracking import client

    return client().get_run(run_id)


def test_winner_is_registered_with_its_figures_and_files(home: Path, finished_run: Callable[..., str]) -> None:
    from smartgrid.registry.tracking import client

    result = register(finished_run("run-1"))
    run = _mlflow_run(result["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["trainer"] == "tpot"
    assert run.data.params["features"] == str(len(feature_names("none")))
    assert (run.data.params["temperature"], run.data.params["seed"]) == ("none", "1")
    assert run.data.params["measurements.rows"] == "3360"
    assert run.data.metrics["mape_percent"] == 4.1
    assert run.data.metrics["weekly_naive/mape_percent"] == 9.3
    assert run.data.metrics["per_hour_ridge/bias_kw"] == -3.5
    assert run.data.metrics["tpot/search_s"] == 12.5
    files = {file.path for file in client().list_artifacts(result["mlflow_run_id"])}
    assert files >= {
        "data_reference.json", "environment.json", "feature_schema.json", "leaderboard.json", "leaderboard_table.json",
        "plots", "report.md", "scores_by_zone.csv",
    }  # fmt: skip
    plots = {Path(file.path).stem for file in client().list_artifacts(result["mlflow_run_id"], "plots")}
    assert plots >= {
        "forecast_against_actual", "leaderboard", "error_by_hour", "error_by_zone", "residuals", "feature_importance",
        "tournament",
    }  # fmt: skip

    version = versions.version()
    assert version.version == result["mlflow_version"]
    assert (version.run_id, version.winner, version.gate_passed) == ("run-1", "tpot", True)
    assert version.data_sha256 == RunFolder("run-1").snapshot.measurements.sha256
    assert version.saved_model_sha256 == fingerprint(Path(result["saved_model"]))
    with session() as open_session:
        row = open_session.get(TrainingRun, "run-1")
        assert row is not None
        assert (row.mlflow_run_id, row.mlflow_version) == (result["mlflow_run_id"], result["mlflow_version"])


def test_registering_again_makes_nothing_new(home: Path, finished_run: Callable[..., str]) -> None:
    run_id = finished_run("run-again")
    assert register(run_id) == register(run_id)
    assert len(versions.versions()) == 1
    second = register(finished_run("run-other", seed=2))
    assert [version.version for version in versions.versions()] == [second["mlflow_version"], 1]


def test_retry_after_a_crash_before_the_version_continues_where_it_stopped(
    home: Path, finished_run: Callable[..., str]
) -> None:
    run = RunFolder(finished_run("run-crash"))
    report = _exported(run, "tpot")
    from smartgrid.registry.tracking import client

    mlflow_run = mlflow_run_module.find_or_create_run(client(), run)
    mlflow_run_module.log_tournament(client(), mlflow_run, run, report)
    # ... the process dies here; the retry is an ordinary call.
    result = register("run-crash")
    assert result["mlflow_run_id"] == mlflow_run.info.run_id
    assert len(versions.versions()) == 1
    assert len(client().get_metric_history(result["mlflow_run_id"], "mape_percent")) == 1


def test_registered_model_loads_with_mlflow_alone(home: Path, finished_run: Callable[..., str]) -> None:
    import mlflow

    result = register(finished_run("run-load"))
    answers = KnownAnswers.read(Path(result["saved_model"]))
    loaded = mlflow.pyfunc.load_model(f"models:/{result['model_name']}/{result['mlflow_version']}")
    np.testing.assert_allclose(loaded.predict(answers.X), answers.load_kw, rtol=1e-9)


def test_download_is_what_was_registered_and_a_changed_one_is_refused(
    home: Path, finished_run: Callable[..., str], mlflow_server: Any, tmp_path: Path
) -> None:
    result = register(finished_run("run-download"))
    version = versions.version(result["mlflow_version"])
    (tmp_path / "a").mkdir()
    assert fingerprint(versions.download(version, tmp_path / "a")) == version.saved_model_sha256
    stored = [
        path
        for path in mlflow_server.folder.rglob("artifacts/artifacts/saved_model/assets.extra/feature_schema.json")
        if fingerprint(path.parents[1]) == version.saved_model_sha256
    ]
    assert len(stored) == 1
    stored[0].write_text("{}", encoding="utf-8")
    (tmp_path / "b").mkdir()
    with pytest.raises(SavedModelDamaged):
        versions.download(version, tmp_path / "b")


def test_run_that_failed_the_gate_is_not_registered(home: Path, finished_run: Callable[..., str]) -> None:
    with pytest.raises(NothingToDo, match="did not pass the gate"):
        register(finished_run("run-bad", gate_passed=False))
    assert versions.versions() == []
    with pytest.raises(NothingRegistered):
        versions.version()


def test_refused_winner_can_be_looked_at_but_never_challenges(home: Path, finished_run: Callable[..., str]) -> None:
    refused = register(finished_run("run-bad", gate_passed=False), refused_too=True)
    (version,) = versions.versions()
    assert (version.version, version.gate_passed, version.aliases) == (refused["mlflow_version"], False, ())
    with pytest.raises(NothingRegistered):
        versions.version()
    with pytest.raises(RefusedByGates, match="run-bad"):
        publish(refused["mlflow_version"])


def test_unfinished_run_is_named(home: Path) -> None:
    with pytest.raises(RunIncomplete) as caught:
        register("never-started")
    assert caught.value.missing == "leaderboard.json"


def test_champion_alias_moves(home: Path, finished_run: Callable[..., str]) -> None:
    first, second = register(finished_run("a")), register(finished_run("b", seed=2))
    versions.set_champion(first["mlflow_version"])
    versions.set_champion(second["mlflow_version"])
    assert [version.aliases for version in versions.versions()] == [("champion",), ()]


def test_newest_candidate_is_the_challenger_until_it_serves(home: Path, finished_run: Callable[..., str]) -> None:
    first, second = register(finished_run("a")), register(finished_run("b", seed=2))
    assert [version.aliases for version in versions.versions()] == [("challenger",), ()]
    register("a")  # again: the newer candidate keeps the alias
    assert [version.aliases for version in versions.versions()] == [("challenger",), ()]
    versions.set_champion(first["mlflow_version"])
    assert [version.aliases for version in versions.versions()] == [("challenger",), ("champion",)]
    versions.set_champion(second["mlflow_version"])
    register("b")
    assert [version.aliases for version in versions.versions()] == [("champion",), ()]


def test_server_that_is_away_for_a_moment_is_waited_for(
    home: Path, finished_run: Callable[..., str], mlflow_server: Any
) -> None:
    run_id = finished_run("run-patient")
    _exported(RunFolder(run_id), "tpot")
    mlflow_server.stop()
    returning = threading.Thread(target=lambda: (time.sleep(3), mlflow_server.start()))
    returning.start()
    try:
        assert register(run_id)["mlflow_version"] == 1
    finally:
        returning.join()


def test_server_that_stays_away_is_a_typed_error(
    home: Path, finished_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = finished_run("run-away")
    run = RunFolder(run_id)
    report = _exported(run, "tpot")
    monkeypatch.setenv("SMARTGRID_MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    get_settings.cache_clear()
    with pytest.raises(TrackingServerUnavailable) as caught:
        mlflow_registry.register_winner(run, report, patience_s=3)
    assert caught.value.tracking_uri == "http://127.0.0.1:9"
