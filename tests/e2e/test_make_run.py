"""What `make run` promises, on the real processes: Airflow, MLflow and the model server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from running_platform import RunningPlatform

MODEL = "smartgrid-load-forecasting"
PIPELINE = {
    "ingest_measurements",
    "validate_measurements",
    "retrain_load_forecast",
    "promote_load_forecast",
    "forecast_load",
}

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningPlatform, str]]:
    """A platform after its first run, and what that printed."""
    platform = RunningPlatform(tmp_path_factory.mktemp("platform"))
    try:
        result = platform.call("run", timeout_s=800)
        assert result.returncode == 0, result.stdout[-6000:]
        yield platform, result.stdout
    finally:
        platform.stop()


def test_the_run_ends_with_the_forecasts_and_their_scores(ran: tuple[RunningPlatform, str]) -> None:
    _, output = ran
    assert "SYSTEM" in output
    assert "stable_model v1" in output
    assert "Z20" in output
    found = re.search(
        r"system MAPE ([\d.]+) % in the backtest beats both naive forecasts "
        r"\(daily_naive ([\d.]+) %, weekly_naive ([\d.]+) %\)",
        output,
    )
    assert found is not None, output[-3000:]
    model, daily, weekly = (float(text) for text in found.groups())
    assert model < min(daily, weekly)


def test_airflow_ran_every_pipeline_by_its_own_scheduler(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    assert platform.airflow_api("importErrors")["import_errors"] == []
    for dag_id in PIPELINE:
        runs = platform.airflow_api(f"dags/{dag_id}/dagRuns?order_by=-run_after")["dag_runs"]
        assert any(run["state"] == "success" for run in runs), dag_id
    for dag_id in ("validate_measurements", "promote_load_forecast", "forecast_load"):
        runs = platform.airflow_api(f"dags/{dag_id}/dagRuns")["dag_runs"]
        assert "asset_triggered" in {run["run_type"] for run in runs}, dag_id


def test_mlflow_has_the_version_with_metrics_and_artifacts(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    api = f"{platform.mlflow}/api/2.0/mlflow"
    version = requests.get(f"{api}/model-versions/get", params={"name": MODEL, "version": "1"}, timeout=30).json()[
        "model_version"
    ]
    run = requests.get(f"{api}/runs/get", params={"run_id": version["run_id"]}, timeout=30).json()["run"]
    metrics = {metric["key"] for metric in run["data"]["metrics"]}
    assert any("mape" in name for name in metrics), metrics
    artifacts = requests.get(f"{api}/artifacts/list", params={"run_id": version["run_id"]}, timeout=30).json()
    assert "saved_model" in {entry["path"] for entry in artifacts["files"]}


def test_the_model_server_serves_the_registered_version(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    url = f"{platform.serving}/v1/models/{MODEL}"
    [status] = requests.get(url, timeout=30).json()["model_version_status"]
    assert (status["version"], status["state"]) == ("1", "AVAILABLE")
    signature = requests.get(f"{url}/metadata", timeout=30).json()["metadata"]["signature_def"]["signature_def"]
    shape = signature["serving_default"]["inputs"]["features"]["tensor_shape"]["dim"]
    width = int(shape[1]["size"])
    answer = requests.post(f"{url}:predict", json={"instances": [[0.5] * width] * 3}, timeout=30)
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    assert len(predictions) == 3
    assert all(isinstance(value, float) for value in predictions)


def test_the_page_and_the_api_are_for_those_who_are_logged_in(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    page = f"{platform.airflow}/smartgrid/"
    assert requests.get(page, timeout=30, allow_redirects=False).status_code == 401
    wrong = {"Authorization": "Bearer nonsense"}
    assert requests.get(page, headers=wrong, timeout=30, allow_redirects=False).status_code == 401
    for user in ("viewer", "operator", "admin"):
        right = {"Authorization": f"Bearer {platform.token(user)}"}
        assert requests.get(page, headers=right, timeout=30).status_code == 200, user
    assert requests.get(f"{platform.airflow}/api/v2/dags", timeout=30).status_code == 401


def test_every_port_is_on_loopback_only(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    ours = {process.pid for process in platform.processes()}
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in ours
    }
    assert {port for _, port in listening} >= set(platform.ports.values())
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_no_secret_is_in_a_log_or_on_a_command_line(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    secrets: list[str] = []
    for file in (platform.home / "secrets").iterdir():
        secrets += re.findall(r'": "([^"]+)"', file.read_text())
    assert len(secrets) >= 6
    texts = [path.read_text(errors="replace") for path in platform.home.glob("logs/*.log*")]
    texts += [path.read_text(errors="replace") for path in platform.home.glob("airflow/logs/**/*.log")]
    texts += [(platform.home / "run" / "supervisord.conf").read_text()]
    texts += [" ".join(process.cmdline()) for process in platform.processes()]
    assert not [text[:80] for text in texts if any(secret in text for secret in secrets)]


def test_status_says_that_all_is_well(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    result = platform.call("status")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("RUNNING") == 9


def test_a_second_run_is_fast_and_trains_nothing(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    before = platform.airflow_api("dags/retrain_load_forecast/dagRuns")["total_entries"]
    began = time.monotonic()
    result = platform.call("run")
    assert result.returncode == 0, result.stdout[-3000:]
    assert time.monotonic() - began < 60
    assert "Train: already there" in result.stdout
    assert "stable_model v1" in result.stdout
    assert platform.airflow_api("dags/retrain_load_forecast/dagRuns")["total_entries"] == before


def test_a_taken_port_is_named_before_anything_starts(ran: tuple[RunningPlatform, str], tmp_path: Path) -> None:
    platform, _ = ran
    other = RunningPlatform(tmp_path / "other")
    other.environment["SMARTGRID_MLFLOW_PORT"] = str(platform.ports["MLFLOW_PORT"])
    result = other.call("up")
    assert result.returncode == 1
    assert f"SMARTGRID_MLFLOW_PORT ({platform.ports['MLFLOW_PORT']}) is taken by pid" in result.stdout
    assert other.processes() == []


def test_a_killed_supervisor_is_recovered_from_and_stop_leaves_nothing(ran: tuple[RunningPlatform, str]) -> None:
    platform, _ = ran
    [supervisor] = platform.processes("supervisord")
    supervisor.kill()
    supervisor.wait(10)
    assert platform.call("status").returncode == 1
    bystander = psutil.Popen(["sleep", "300"])
    try:
        result = platform.call("run")
        assert result.returncode == 0, result.stdout[-3000:]
        assert len(platform.processes("supervisord")) == 1
        stopped = platform.call("down", timeout_s=120)
        assert stopped.returncode == 0, stopped.stdout
        assert platform.processes() == []
        assert bystander.is_running()
        assert platform.call("down").stdout.strip().endswith("nothing was running")
    finally:
        bystander.kill()
        bystander.wait()
